"""A run of the shape that an explorer shows: videos with shots, subtitles and key frames, their clips with captions and
scores, and a filter that drops a third of them. Its rows are made up, its tables are as those of a real run.

    python -m scripts.bench.inputs.explored make RUN CLIPS PICTURED
    python -m scripts.bench.inputs.explored write RUN
"""

import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

sys.path.append(str(Path(__file__).parents[3] / "tests"))
from support.steps import finish, made_step

from slurm.record.manifest import Step
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.clip import CLIP
from stages.core.schema.download import SUBTITLES
from stages.core.schema.frame import KEY_FRAMES
from stages.core.schema.text import CAPTION
from stages.core.schema.types import REAL, TEXT, Schema
from stages.core.schema.video import SHOTS, VIDEO

CLIPS = 5  # of a video
CLIP_S = 4.0
PER_CHUNK = 2000  # videos
LINES = 8  # of a video's subtitles
WORDS = ("river", "city", "dance", "engine", "cook", "bridge", "garden", "winter", "music", "market", "dog", "train")
CATEGORIES = [f"Category {n}" for n in range(40)]
CATEGORY: Schema = {"video_id": TEXT, "category": TEXT, "confidence": REAL}
ERRORS: Schema = {"error": TEXT, "error_detail": TEXT}
VALUES: Schema = {"clip_id": TEXT, "video_id": TEXT, "rule": TEXT, "value": REAL, "text": TEXT, "failed": TEXT}
RULES = {
    "motion": {"column": None, "reduce": "mean", "min": 0.3},
    "luma": {"column": None, "reduce": "mean", "max": 0.98},
}


def make(run: Path, clips: int, pictured: int) -> None:
    """Makes the run; the first `pictured` videos have key frames."""
    videos = -(-clips // CLIPS)
    layout: dict[str, Any] = {"n": -(-videos // PER_CHUNK)}
    ids: Schema = {"clip_id": TEXT, "video_id": TEXT}
    measured, limits = {"shots": SHOTS, "key_frames": KEY_FRAMES}, {"rules": RULES}
    made = step(run, "ingest", CATALOGUE, [], kind="reduce", tables={"subtitles": SUBTITLES}, **layout)
    verdict: Schema = {**ids, "drop_reason": TEXT}
    steps = {
        "ingest": made,
        "analyze": step(run, "analyze", VIDEO, ["ingest"], tables=measured, **layout),
        "categorize": step(run, "categorize", CATEGORY, ["ingest"], **layout),
        "split": step(run, "split", CLIP, ["analyze"], **layout),
        "caption": step(run, "caption", {**ids, **CAPTION}, ["split"], **layout),
        "filter": step(run, "filter", verdict, ["caption"], tables={"values": VALUES}, config=limits, **layout),
    }
    for chunk, first in enumerate(range(0, videos, PER_CHUNK)):
        count = min(PER_CHUNK, videos - first)
        for name, tables in tables_of(run, first, count, pictured):
            rows = tables.pop("rows")
            finish(steps[name], chunk, rows, "1_0_0", **tables)


def step(run: Path, name: str, gives: Schema, inputs: list[str], **about: Any) -> Step:
    tables = {table: names(columns) for table, columns in about.pop("tables", {}).items()}
    keys = ["clip_id", "video_id"] if "clip_id" in gives else ["video_id"]
    identity = {"stage": name}
    about = {"stage": name, "keys": keys, "item_keys": keys, "identity": identity, "fingerprint": name, **about}
    return made_step(run, name, gives=names({**gives, **ERRORS}), tables=tables, inputs=inputs, **about)


def names(columns: Schema) -> dict[str, str]:
    return {name: str(kind) for name, kind in columns.items()}


def tables_of(run: Path, first: int, count: int, pictured: int) -> Iterator[tuple[str, dict[str, pl.DataFrame]]]:
    """The tables of some videos, by step."""
    chance = np.random.default_rng(first)
    video = pl.Series("video_id", [f"video-{n * 7919 % 10_000_019:08d}" for n in range(first, first + count)])
    speech = [" ".join(chance.choice(WORDS, 120)) for _ in range(count)]
    of_video = {"video_id": video, "error": pl.Series([None] * count, dtype=TEXT)}
    catalogue = {
        **of_video, "title": [" ".join(chance.choice(WORDS, 6)) for _ in range(count)], "transcript": speech,
        "channel": [f"channel {n % 997}" for n in range(first, first + count)], "source": ["bench"] * count,
        "path": [str(run.parent / "film.mp4")] * count, "views": chance.integers(0, 10**6, count),
    }  # fmt: skip
    lines = each(video, LINES, start_s=2.0, end_s=2.0).with_columns(
        text=pl.Series([" ".join(text.split()[n * 12 : n * 12 + 12]) for text in speech for n in range(LINES)]),
        language=pl.lit("en"), kind=pl.lit("manual"),
    )  # fmt: skip
    yield "ingest", {"rows": full(catalogue, {**CATALOGUE, **ERRORS}), "subtitles": full(lines, SUBTITLES)}
    looks = {
        name: chance.random(count) for name in ("motion", "luma", "sharpness", "colour", "contrast", "freeze_share")
    }
    sizes = {"width_px": [192] * count, "height_px": [108] * count, "codec": ["h264"] * count, "fps": [25.0] * count}
    shots = each(video, CLIPS, start_s=CLIP_S, end_s=CLIP_S)
    seen = video.head(max(0, min(count, pictured - first)))
    frames = each(seen, CLIPS, time_s=CLIP_S).with_columns(
        shot=pl.int_range(len(seen) * CLIPS) % CLIPS, jpeg=pl.Series(pictures(len(seen), chance), dtype=pl.Binary)
    )
    analyzed = {**of_video, **looks, **sizes, "duration_s": [CLIPS * CLIP_S] * count}
    sides = {"shots": full(shots, SHOTS), "key_frames": full(frames, KEY_FRAMES)}
    yield "analyze", {"rows": full(analyzed, {**VIDEO, **ERRORS}), **sides}
    categories = {**of_video, "category": chance.choice(CATEGORIES, count), "confidence": chance.random(count)}
    yield "categorize", {"rows": full(categories, {**CATEGORY, **ERRORS})}
    clips = each(video, CLIPS, start_s=CLIP_S, end_s=CLIP_S)
    total, number = len(clips), pl.int_range(len(clips)) % CLIPS
    clips = clips.with_columns(clip_id=pl.format("{}_{}", "video_id", number), shot=number)
    lists = {
        name: pl.Series(chance.random((total, 4), np.float32)).arr.to_list()
        for name in ("motion", "luma", "camera", "zoom")
    }
    moves: dict[str, Any] = {
        "camera_move": chance.choice(["static", "pan_left", "zoom_in"], total),
        "duration_s": pl.lit(CLIP_S),
    }
    yield "split", {"rows": full(clips.with_columns(**lists, **moves), {**CLIP, **ERRORS})}
    said = [" ".join(chance.choice(WORDS, 25)) for _ in range(total)]
    keys = clips.select("clip_id", "video_id")
    yield (
        "caption",
        {"rows": full(keys.with_columns(raw_caption=pl.Series(said)), {**keys.schema, **CAPTION, **ERRORS})},
    )
    motion = chance.random(total)
    failed = pl.when(pl.Series(motion) < 0.33).then(pl.lit("motion.min"))
    dropped = keys.with_columns(drop_reason=failed)
    values = [
        keys.with_columns(rule=pl.lit("motion"), value=pl.Series(motion), failed=failed),
        keys.with_columns(rule=pl.lit("luma"), value=pl.Series(chance.random(total) * 0.9)),
    ]
    table = pl.concat([full(value, VALUES) for value in values])
    yield "filter", {"rows": full(dropped, {**keys.schema, "drop_reason": TEXT, **ERRORS}), "values": table}


def each(video: pl.Series, times: int, **every_s: float) -> pl.DataFrame:
    """So many rows of each video; times grow by so much, those called end_s begin with it."""
    number = pl.int_range(len(video) * times) % times
    columns: dict[str, pl.Expr] = {name: (number + int(name == "end_s")) * step_s for name, step_s in every_s.items()}
    return (
        pl.DataFrame({"video_id": video}).select(pl.col("video_id").repeat_by(times).explode()).with_columns(**columns)
    )


def full(rows: pl.DataFrame | dict[str, Any], schema: Schema) -> pl.DataFrame:
    """The rows with all columns of the schema, null where there are none."""
    table = pl.DataFrame(rows)
    given = [
        pl.col(name).cast(kind) if name in table.columns else pl.lit(None, kind).alias(name)
        for name, kind in schema.items()
    ]
    return table.select(given)


def pictures(videos: int, chance: np.random.Generator) -> Sequence[bytes]:
    """A picture for each clip of some videos."""
    found = []
    for _ in range(videos * CLIPS):
        out = BytesIO()
        small = Image.fromarray(chance.integers(0, 255, (5, 8, 3), np.uint8))
        small.resize((480, 270)).save(out, "JPEG", quality=80)
        found.append(out.getvalue())
    return found


def write(run: Path) -> None:
    """Writes the explorer of the run."""
    from slurm.record.manifest import steps
    from stages.core.explorer.write import write_explorer

    write_explorer(run / "report" / "explorer", [Step(run, name) for name in steps(run)], 20_000, None)


if __name__ == "__main__":
    what, run, *numbers = sys.argv[1:]
    if what == "make":
        make(Path(run), *map(int, numbers))
    else:
        write(Path(run))
