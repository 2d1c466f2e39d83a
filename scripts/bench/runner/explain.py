"""`python -m slurm explain run=R id=…`, whole commands, in a run of a million clips in 2,000 chunks a step.

Its steps: a source of 20,000 videos, clips of them with their verdicts chunk by chunk, and scores in other chunks. The
run is made first, which takes minutes.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from support.steps import finish, made_step

from scripts.bench.lines import Line, costs, ran
from slurm.record.chunks import borders_of

CLIPS = 50  # of a video
GIVES = {"video_id": "String", "error": "String", "error_detail": "String"}
CLIP = {"clip_id": "String", **GIVES}
KEYS = ["clip_id", "video_id"]
RULE = {"column": None, "reduce": "mean", "min": 0.1, "max": None}


def measure(
    folder: Path, *, chunks: int = 2000, videos: int = 20_000, times: int = 3, small: bool = False
) -> Iterator[Line]:
    chunks, videos, times = (4, 20, 1) if small else (chunks, videos, times)
    if not (folder / "bench").exists():
        make_run(folder / "bench", chunks, videos)
    video = f"video{videos * 2 // 3:06d}"
    asked = {
        "a video": (video, 0),
        "a clip": (f"{video}_8", 0),
        "a path": (f"/data/{video}.mp4", 0),
        "an id that is none": (f"{video}_77", 2),
        "an id that begins with no video's": ("clip7", 2),
    }
    for what, (name, status) in asked.items():
        words = ("-m", "slurm", "explain", "run=bench", f"runs={folder}", f"id={name}")
        looks = [ran(*words, statuses=(status,)) for _ in range(times)]
        assert status or "score 0.5" in looks[0].output, looks[0].output
        yield from costs(f"explain {what} among {videos * CLIPS:,} clips", looks, 3.0)


def make_run(run: Path, chunks: int, videos: int) -> None:
    """The run; every tenth clip is dropped."""
    names = pl.DataFrame({"video_id": [f"video{n:06d}" for n in range(videos)]})
    source = made_step(run, "source", kind="reduce", n=1, item_keys=[], gives={**GIVES, "path": "String"})
    finish(source, 0, as_good(names.with_columns(path=pl.format("/data/{}.mp4", "video_id"))))
    split = made_step(run, "split", n=chunks, inputs=["source"], keys=KEYS, gives={**CLIP, "duration_s": "Float64"})
    judging = {"config": {"rules": {"motion": RULE}}, "tables": {"values": {"rule": "String", "value": "Float64"}}}
    behind = {"keys": KEYS, "item_keys": KEYS}
    gives = {**CLIP, "drop_reason": "String"}
    verdict = made_step(run, "filter", n=chunks, inputs=["split"], aligned=True, gives=gives, **behind, **judging)
    borders = borders_of(split, 0).borders
    number = pl.int_range(pl.len())
    for chunk in range(chunks):
        own = names[borders[chunk] : borders[chunk + 1]].with_columns(clip=pl.lit([*range(CLIPS)])).explode("clip")
        clips = as_good(own.select(pl.format("{}_{}", "video_id", "clip").alias("clip_id"), "video_id"))
        finish(split, chunk, clips.with_columns(duration_s=2.5 + number % 7))
        value = pl.when(number % 10 == 7).then(0.01).otherwise(0.2)
        values = clips.select(*KEYS, rule=pl.lit("motion"), value=value)
        reason = pl.when(number % 10 == 7).then(pl.lit("motion.min"))
        finish(verdict, chunk, clips.with_columns(drop_reason=reason), values=values)
    scores = made_step(
        run,
        "scores",
        n=chunks * 3 // 4,
        inputs=["filter"],
        keys=KEYS,
        item_keys=KEYS,
        gives={**CLIP, "score": "Float64"},
    )
    borders, kept = borders_of(scores, 0).borders, verdict.kept().select(KEYS).collect()
    for chunk in range(scores.plan.n):
        finish(scores, chunk, as_good(kept[borders[chunk] : borders[chunk + 1]]).with_columns(score=pl.lit(0.5)))


def as_good(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with empty columns of errors."""
    empty = pl.lit(None, pl.String)
    return rows.with_columns(error=empty, error_detail=empty)
