"""What the report of a million clips takes: a run of videos, clips and a filter of six rules, in many chunks.

The run's tables are written as tasks write them; the report is made by the command that a user types.

    python -m scripts.bench report [clips=1000000] [chunks=312]
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from scripts.bench.lines import Line, costs, ran, shared

CLIPS_A_VIDEO = 20
RULES = {  # rule → its limits; the values are even between 0 and 1
    **{"motion": {"min": 0.05}, "frozen": {"max": 0.95}, "luma": {"min": 0.03, "max": 0.98}},
    **{"sharpness": {"min": 0.02}, "cuts": {"below": 0.97}, "colour": {"min": 0.01}},
}
ERRORS = {"error": "String", "error_detail": "String"}
NUMBERS = dict.fromkeys(("start_s", "end_s", "duration_s"), "Float64")
MEDIA = {
    **{"codec": "String", "width_px": "Int64", "height_px": "Int64", "fps": "Float64", "duration_s": "Float64"},
    **{"has_audio": "Boolean", "decode_errors": "Int64", "coverage": "Float64"},
}
FRAMES = {"video_id": "String", "shot": "Int64", "position": "String", "time_s": "Float64", "jpeg": "Binary"}


def measure(
    folder: Path, *, clips: int = 1_000_000, chunks: int = 312, times: int = 3, small: bool = False
) -> Iterator[Line]:
    clips, chunks, times = (400, 2, 1) if small else (clips, chunks, times)
    runs = shared(folder) / f"report_{clips}_{chunks}"
    if not (runs / "bench" / "filter").exists():
        ran("-m", "scripts.bench.report", runs / "bench", str(clips), str(chunks))  # this process stays small
    own = ("-m", "stages.report", "run=bench", f"runs={runs}", "cluster.executor=debug", "overwrite=report")
    done = [ran(*own) for _ in range(times)]
    yield from costs(f"report over {clips:,} clips in {chunks} chunks", done, 3.0, 300 / 1024)
    page = runs / "bench" / "report" / "report.html"
    yield Line("… its page", page.stat().st_size / 2**20, "MiB")


def make_run(run: Path, clips: int, chunks: int) -> None:
    """Writes the steps ingest, analyze, split and filter, all of their chunks done."""
    from support.steps import finish, made_step

    random = np.random.default_rng(0)
    videos = clips // CLIPS_A_VIDEO
    about = {"video_id": "String", "source": "String", "title": "String", "path": "String", **ERRORS}
    ingest = made_step(run, "ingest", n=1, kind="reduce", stage="ingest", item_keys=[], gives=about)
    number = pl.int_range(videos, eager=True)
    catalogue = pl.select(
        video_id=pl.format("video_{}", number),
        source=pl.format("source {}", number % 3),
        title=pl.format("the title of video {}", number),
        path=pl.format("/data/videos/{}.mp4", number),
    )
    finish(ingest, 0, good(catalogue))
    gives = {"video_id": "String", **MEDIA, **ERRORS}
    tables = {"key_frames": FRAMES}
    analyze = made_step(run, "analyze", n=chunks, stage="analyze", inputs=["ingest"], gives=gives, tables=tables)
    keys = {"keys": ["clip_id", "video_id"], "item_keys": ["video_id"]}
    gives = {"clip_id": "String", "video_id": "String", "shot": "Int64", **NUMBERS, "drop_reason": "String", **ERRORS}
    split = made_step(run, "split", n=chunks, stage="split", inputs=["analyze"], gives=gives, **keys)
    gives = {"clip_id": "String", "video_id": "String", "drop_reason": "String", **ERRORS}
    values = {"clip_id": "String", "video_id": "String", "rule": "String", "value": "Float64", "text": "String"}
    keys["item_keys"] = keys["keys"]
    about_filter = {"inputs": ["split"], "gives": gives, "tables": {"values": {**values, "failed": "String"}}}
    rules = {name: {"column": None, "reduce": "mean", **limits} for name, limits in RULES.items()}
    judged = made_step(run, "filter", n=chunks, stage="filter", config={"rules": rules}, **about_filter, **keys)
    picture = jpeg()
    for chunk in range(chunks):
        own = catalogue["video_id"][videos * chunk // chunks : videos * (chunk + 1) // chunks]
        finish(analyze, chunk, media(own, random), key_frames=key_frames(own, picture))
        spans = clips_of(own)
        finish(split, chunk, good(spans.with_columns(drop_reason=pl.lit(None, pl.String))))
        verdicts, seen = judge(spans.select("clip_id", "video_id"), random)
        finish(judged, chunk, good(verdicts), values=seen)


def good(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(error=pl.lit(None, pl.String), error_detail=pl.lit(None, pl.String))


def jpeg() -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.effect_noise((160, 90), 60).save(out, "JPEG", quality=30)
    return out.getvalue()


def media(videos: pl.Series, random: np.random.Generator) -> pl.DataFrame:
    rows = pl.DataFrame({"video_id": videos}).with_columns(
        codec=pl.lit("h264"),
        width_px=pl.lit(1280),
        height_px=pl.lit(720),
        fps=pl.lit(25.0),
        duration_s=pl.lit(CLIPS_A_VIDEO * 5.0),
        has_audio=pl.lit(value=True),
        decode_errors=pl.lit(0),
        coverage=pl.lit(1.0),
    )
    failed = pl.Series(random.random(len(rows)) < 0.01)
    return rows.with_columns(
        error=pl.when(failed).then(pl.lit("corrupt")),
        error_detail=pl.when(failed).then(pl.lit("moov atom not found")),
    )


def key_frames(videos: pl.Series, picture: bytes) -> pl.DataFrame:
    shots = pl.DataFrame({"shot": range(CLIPS_A_VIDEO)}, schema={"shot": pl.Int64})
    frames = pl.DataFrame({"video_id": videos}).join(shots, how="cross")
    return frames.with_columns(position=pl.lit("first"), time_s=pl.col("shot") * 5.0 + 1, jpeg=pl.lit(picture))


def clips_of(videos: pl.Series) -> pl.DataFrame:
    shots = pl.DataFrame({"shot": range(CLIPS_A_VIDEO)}, schema={"shot": pl.Int64})
    start_s = pl.col("shot") * 5.0
    return (
        pl.DataFrame({"video_id": videos})
        .join(shots, how="cross")
        .select(
            pl.format("{}_{}_{}", "video_id", pl.col("shot") * 125, (pl.col("shot") + 1) * 125).alias("clip_id"),
            "video_id",
            "shot",
            start_s=start_s,
            end_s=start_s + 5,
            duration_s=pl.lit(5.0),
        )
    )


def judge(rows: pl.DataFrame, random: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The verdicts over rows, and what each rule saw of them."""
    from pydantic import TypeAdapter

    from stages.core.choose.rule import Rule
    from stages.core.choose.verdicts import judge as judged

    table = rows.with_columns(**{name: pl.Series(random.random(len(rows))) for name in RULES})
    verdicts = judged(table, TypeAdapter(dict[str, Rule]).validate_python(RULES))
    return rows.with_columns(drop_reason=verdicts.reasons()), verdicts.values(rows)


if __name__ == "__main__":
    make_run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
