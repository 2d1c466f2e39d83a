"""A run of clips with scores of their frames, key frames of their videos and a filter, made by hand."""

from io import BytesIO
from pathlib import Path

import polars as pl
from PIL import Image
from support.steps import finish, made_step

from slurm.record.manifest import Step

ERRORS = {"error": "String", "error_detail": "String"}
TITLE = '<script>alert("x")</script> & "more"'


def jpeg(colour: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (320, 180), colour).save(out, "JPEG")
    return out.getvalue()


def scored_run(run: Path, scores: dict[str, list[float | None]], rule: dict[str, object] | None = None) -> Path:
    """A clip of 10 s for each of these, `v:clip` of video `v`, with a frame a score; a filter judges the watermarks."""
    clips = list(scores)
    videos = sorted({clip.partition(":")[0] for clip in clips})
    none = pl.lit(None, pl.String)
    ingest = made_step(run, "ingest", n=1, gives={"video_id": "String", "title": "String", **ERRORS})
    titles = pl.DataFrame({"video_id": videos, "title": [TITLE] * len(videos)})
    finish(ingest, 0, titles.with_columns(error=none, error_detail=none))
    frames = {"video_id": "String", "time_s": "Float64", "jpeg": "Binary"}
    analyze = made_step(
        run, "analyze", n=1, inputs=["ingest"], gives={"video_id": "String", **ERRORS}, tables={"key_frames": frames}
    )
    shown = [{"video_id": video, "time_s": 5.0 + 10 * n, "jpeg": jpeg("red")} for video in videos for n in range(9)]
    rows = titles.select("video_id").with_columns(error=none, error_detail=none)
    finish(analyze, 0, rows, key_frames=pl.DataFrame(shown))
    number = dict.fromkeys(videos, 0)
    spans = []
    for clip in clips:
        video = clip.partition(":")[0]
        start_s = 10.0 * number[video]
        number[video] += 1
        spans.append(
            {"clip_id": clip, "video_id": video, "start_s": start_s, "end_s": start_s + 10, "duration_s": 10.0}
        )
    numbers = dict.fromkeys(("start_s", "end_s", "duration_s"), "Float64")
    keys = {"keys": ["clip_id", "video_id"], "item_keys": ["video_id"]}
    gives = {"clip_id": "String", "video_id": "String", **numbers, **ERRORS}
    split = made_step(run, "split", n=1, inputs=["analyze"], gives=gives, **keys)
    finish(split, 0, pl.DataFrame(spans).with_columns(error=none, error_detail=none))
    found = [
        {"frame_id": f"{clip}/{n}", "clip_id": clip, "video_id": clip.partition(":")[0], "watermark": value}
        for clip, values in scores.items()
        for n, value in enumerate(values)
    ]
    gives = {"frame_id": "String", "clip_id": "String", "video_id": "String", "watermark": "Float64", **ERRORS}
    keys = {"keys": ["frame_id", "clip_id", "video_id"], "item_keys": ["clip_id", "video_id"]}
    step = made_step(run, "frames", n=1, inputs=["split"], gives=gives, **keys)
    finish(step, 0, pl.DataFrame(found, {k: pl.String if v == "String" else pl.Float64 for k, v in gives.items()}))
    rules = {"watermark": {"column": None, "reduce": "mean", "min": None, "max": 0.3, **(rule or {})}}
    gives = {"clip_id": "String", "video_id": "String", "drop_reason": "String", **ERRORS}
    keys = {"keys": ["clip_id", "video_id"], "item_keys": ["clip_id", "video_id"]}
    made_step(run, "filter", n=1, inputs=["split", "frames"], gives=gives, config={"rules": rules}, **keys)
    assert Step(run, "filter").exists
    return run
