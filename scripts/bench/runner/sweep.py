"""What a sweep of a filter costs: all points at once, the same again, and a value more; by whole commands.

The rows are a list in Parquet, read by `ingest`. The filter's rules look at lengths and views.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from scripts.bench.lines import Line, Ran, ran
from slurm.record.files import names


def measure(
    folder: Path, *, rows: int = 200_000, points: int = 100, chunks: int = 2, small: bool = False
) -> Iterator[Line]:
    rows, points, chunks = (500, 4, 2) if small else (rows, points, chunks)
    if not (folder / "bench").exists():
        listed(folder, rows)
    step = f"filter{len(names(folder / 'bench'))}"  # every sweep needs steps of its own
    half = points // 2
    lengths = ",".join(f"{5 + n / 10:g}" for n in range(half))

    def sweep(views: str) -> Ran:
        rules = ("~rules.frozen", "rules.motion.column=duration_s", "rules.luma.column=views", "rules.luma.max=null")
        swept = (f"rules.motion.min={lengths}", f"rules.luma.min={views}")
        own = ("run=bench", f"runs={folder}", f"step={step}", "after=ingest", f"chunks.n={chunks}")
        return ran("-m", "stages.filter", "-m", *own, *rules, *swept)

    first = sweep("100,1000")
    what = f"a sweep of {2 * half} points over {rows:,} rows in {chunks} chunks"
    bar_s = 60.0 if (rows, points) == (200_000, 100) else None
    yield Line(what, first.wall_s, "s", bar_s, f"on all cores, the tables of its end included; CPU {first.cpu_s:.1f} s")
    yield Line("… memory of its largest process", first.peak_gib, "GiB")
    before = attempts(folder)
    again = sweep("100,1000")
    yield Line("the same sweep again", again.wall_s, "s", None, f"CPU {again.cpu_s:.1f} s")
    yield Line("… chunks that it computes", attempts(folder) - before, "", 0)
    more = sweep("100,1000,10000")
    yield Line(f"{half} points more", more.wall_s, "s", None, f"CPU {more.cpu_s:.1f} s")
    yield Line("… chunks that they compute", attempts(folder) - before, "", half * chunks)


def listed(folder: Path, rows: int) -> None:
    """A run with the catalogue of so many made-up videos."""
    random = np.random.default_rng(0)
    table = {
        "path": [f"{n:07d}.mp4" for n in range(rows)],
        "duration_s": random.gamma(2.0, 10.0, rows),
        "views": random.integers(0, 1_000_000, rows),
    }
    pl.DataFrame(table).write_parquet(folder / "videos.parquet")
    ran("-m", "stages.ingest", "run=bench", f"runs={folder}", f"input.path={folder / 'videos.parquet'}")


def attempts(folder: Path) -> int:
    return len(list((folder / "bench").glob("*/attempts/*/*/*")))
