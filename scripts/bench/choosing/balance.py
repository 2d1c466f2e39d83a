"""Measures `balance` over a catalogue of FineVideo's size: 1,800,000 videos, 123 categories, 200,000 channels.

The step is run as a user runs it, in one process; a second one tells how long it reads and how long it chooses.
Channels and categories are as uneven as they are on YouTube (Zipf), views and lengths are lognormal.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from scripts.bench.lines import Line, costs, each, ran, shared

CATEGORIES, CHANNELS = 123, 200_000
HOURS = {"FineVideo's": 4_425, "half of all": None}  # targets


def measure(folder: Path, *, rows: int = 1_800_000, times: int = 3, small: bool = False) -> Iterator[Line]:
    rows, times = (3_000, 1) if small else (rows, times)
    runs = shared(folder) / f"balance_{rows}"
    listed = runs / "videos.parquet"
    if not listed.exists():
        runs.mkdir(parents=True, exist_ok=True)
        videos(rows).write_parquet(listed)
        words = ("run=bench", f"runs={runs}", "source=urls", f"input.path={listed}", "cluster.executor=debug")
        ran("-m", "stages.ingest", *words)
    all_hours = pl.scan_parquet(listed).select(pl.col("duration_s").sum() / 3600).collect().item()
    for what, hours in HOURS.items():
        wanted = f"hours={hours if hours and not small else round(all_hours / 2, 3)}"
        name = f"b{len(list((runs / 'bench').iterdir()))}"
        done = []
        for turn in range(times):
            words = (f"step={name}_{turn}", "run=bench", f"runs={runs}", "after=ingest", "columns.category=language")
            done.append(ran("-m", "stages.balance", *words, wanted, "cluster.executor=debug"))
        title = f"balance of {rows:,} rows to {what} hours"
        yield from costs(title, done, 5.0, 2.0)
        parts = [
            json.loads(ran("-m", "scripts.bench.inputs.parts", runs / "bench", f"{name}_0").output)
            for _ in range(times)
        ]
        for part in ("read_s", "choose_s"):
            values = [float(one[part]) for one in parts]
            yield Line(f"… {part.removesuffix('_s')} of {title}", min(values), "s", None, each(values))


def videos(rows: int) -> pl.DataFrame:
    """A list for the source `urls`; its languages stand for categories."""
    random = np.random.default_rng(0)
    views = np.exp(random.normal(7, 2.5, rows))
    category = np.minimum(random.zipf(1.2, rows) - 1, 10 * CATEGORIES) % CATEGORIES
    channel = np.minimum(random.zipf(1.3, rows) - 1, 10 * CHANNELS) % CHANNELS
    return pl.DataFrame(
        {
            "video_id": [f"{n * 2654435761 % 2**40:011x}" for n in range(rows)],
            "path": [f"/data/{n}.mp4" for n in range(rows)],
            "language": [f"category {n}" for n in category],
            "channel_id": [f"UC{n:022d}" for n in channel],
            "followers": channel * 7919 % 1_000_003,
            "duration_s": np.exp(random.normal(5.3, 1, rows)),
            "views": views.astype(np.int64),
            "likes": (views * random.beta(1, 30, rows)).astype(np.int64),
            "comments": (views * random.beta(1, 200, rows)).astype(np.int64),
        }
    )
