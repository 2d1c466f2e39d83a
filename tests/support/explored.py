"""A small run with all that an explorer shows: videos with clips, frames, words, an annotation; one that failed."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from support.numbered import X264, ffmpeg
from support.steps import finish, made_step

from slurm.record.manifest import Step
from stages.core.schema.annotation import ALIGNED
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.clip import CLIP
from stages.core.schema.download import SUBTITLES
from stages.core.schema.frame import BY_SCORER, BY_TASK, FRAME_SCORES, FRAME_TEXTS, KEY_FRAMES
from stages.core.schema.text import CAPTION
from stages.core.schema.types import REAL, TEXT, Schema
from stages.core.schema.video import SHOTS, VIDEO

BOXES = ("dense_region_caption", "ocr_with_region")
ERRORS: Schema = {"error": TEXT, "error_detail": TEXT}
IDS: Schema = {"clip_id": TEXT, "video_id": TEXT}
VALUES: Schema = {**IDS, "rule": TEXT, "value": REAL, "text": TEXT, "failed": TEXT}
RULES = {
    "motion": {"column": None, "reduce": "mean", "min": 0.2},
    "luma": {"column": None, "reduce": "mean", "max": 0.9},
}
SCORES: Schema = {**IDS, **FRAME_SCORES, **BY_SCORER["aesthetic"]}
SEEN: Schema = {**IDS, **FRAME_TEXTS, **{n: kind for task in ("caption", *BOXES) for n, kind in BY_TASK[task].items()}}
Rows = list[dict[str, Any]]


def film(path: Path, *flags: str) -> Path:
    """8 seconds of 192x108 with a cut at 4.0 s."""
    scenes = "testsrc2=s=192x108:r=25:d=4[a];mandelbrot=s=192x108:r=25,trim=duration=4,setpts=PTS-STARTPTS[b];[a][b]"
    path.parent.mkdir(parents=True, exist_ok=True)
    ffmpeg("-filter_complex", f"{scenes}concat=n=2", "-pix_fmt", "yuv420p", *(flags or X264), path)
    return path


def picture(path: Path, time_s: float) -> bytes:
    shot = path.with_suffix(f".{time_s}.jpg")
    ffmpeg("-ss", str(time_s), "-i", path, "-frames:v", "1", shot)
    return shot.read_bytes()


def add(run: Path, name: str, gives: Schema, rows: Rows, inputs: tuple[str, ...] = (), **about: Any) -> Step:
    """A finished step with these rows; `tables`: side table → its schema and rows."""
    tables = about.pop("tables", {})
    keys = [key for key in ("frame_id", "clip_id", "video_id") if key in gives]
    stage = about.pop("stage", name)
    schema = {**gives, **ERRORS}
    of_tables = {table: kinds(own) for table, (own, _) in tables.items()}
    planned = {"n": 1, "stage": stage, "keys": keys, "item_keys": keys, "inputs": [*inputs], **about}
    identity = {"identity": {"stage": name}, "fingerprint": name}
    step = made_step(run, name, gives=kinds(schema), tables=of_tables, **identity, **planned)
    finish(step, 0, frame(rows, schema), "1_0_0", **{table: frame(made, own) for table, (own, made) in tables.items()})
    return step


def kinds(schema: Schema) -> dict[str, str]:
    return {column: str(kind) for column, kind in schema.items()}


def frame(rows: Rows, schema: Schema) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def annotation(title: str) -> str:
    def at(start: str, end: str) -> dict[str, str]:
        return {"start_timestamp": f"00:00:0{start}.000", "end_timestamp": f"00:00:0{end}.000"}

    scenes = [
        {"sceneId": n, "title": name, "timestamps": at(*span), "cast": ["Ann"], "props": [{"name": "lamp"}],
         "mood": {"description": "calm"}, "activities": [{"description": f"she does {name}", "timestamp": at(*span)}]}
        for n, (name, span) in enumerate((("Arrival", ("0", "4")), ("Departure", ("4", "8"))), start=1)
    ]  # fmt: skip
    questions = [{"question": "Who comes?", "answer": "Ann comes."}]
    people = [{"characterId": "1", "name": "Ann", "description": "a guest"}]
    return json.dumps(
        {"title": title, "description": "A visit.", "scenes": scenes, "qAndA": questions, "characterList": people}
    )


def explored_run(run: Path, **about: str) -> list[Step]:
    """The run's steps. Of `one` (title `about["title"]`) three clips: two are kept, one is dropped for its motion."""
    path = film(run.parent / "media" / about.get("file", "one.mp4"))
    dark = film(run.parent / "media" / "dark.mkv", "-c:v", "ffv1")
    title, said = about.get("title", "A visit by night"), about.get("said", "Good evening")
    videos = [("one", path, title), ("dark", dark, "In the dark"), ("gone", None, "Gone for good")]
    catalogue: Rows = [
        {"video_id": key, "title": name, "path": str(file) if file else None, "source": "tests", "channel": "Ann",
         "url": about.get("url", "https://example.org/v"), "description": about.get("said"), "views": 10 * n}
        for n, (key, file, name) in enumerate(videos)
    ]  # fmt: skip
    lines = [
        {"video_id": "one", "language": "en", "kind": "manual", "start_s": start, "end_s": start + 2, "text": text}
        for start, text in ((0.5, said), (3.0, "Come in"), (6.0, "Good night"))
    ]
    looks = {
        "codec": "h264",
        "width_px": 192,
        "height_px": 108,
        "fps": 25.0,
        "duration_s": 8.0,
        "frames": 200,
        "motion": 0.4,
    }
    analyzed: Rows = [{"video_id": "one", **looks}, {"video_id": "dark", **looks, "codec": "ffv1"},
                {"video_id": "gone", "error": "missing", "error_detail": "no such file"}]  # fmt: skip
    shots = [
        {"video_id": v, "shot": n, "start_s": 4.0 * n, "end_s": 4.0 * n + 4} for v in ("one", "dark") for n in range(2)
    ]
    frames = [
        {"video_id": v, "shot": n, "position": "middle", "time_s": time_s, "jpeg": picture(path, time_s)}
        for v in ("one", "dark")
        for n, time_s in enumerate((2.0, 6.0))
    ]
    spans = [
        ("one_a", "one", 0.0, 4.0, 0.5),
        ("one_b", "one", 4.0, 8.0, 0.3),
        ("one_c", "one", 2.0, 4.0, 0.1),
        ("dark_a", "dark", 0.0, 4.0, 0.6),
    ]
    clips = [
        {"clip_id": c, "video_id": v, "start_s": s, "end_s": e, "duration_s": e - s, "motion": [m, m], "luma": [0.5]}
        for c, v, s, e, m in spans
    ]
    keys = [{"clip_id": c, "video_id": v} for c, v, *_ in spans]
    values = [{"clip_id": c, "video_id": v, "rule": "motion", "value": m, "failed": "motion.min" if m < 0.2 else None}
              for c, v, _, _, m in spans]  # fmt: skip
    values += [{**key, "rule": "luma", "value": 0.5} for key in keys]
    seen: Rows = [
        {"frame_id": "f0", **keys[0], "time_s": 2.0, "width_px": 192, "height_px": 108, "caption": "a test card",
         "regions": [{"label": about.get("label", "clock"), "box": [10, 10, 90, 40]}],
         "texts": [{"text": about.get("ocr", "00:00"), "corners": [100, 60, 150, 60, 150, 80, 100, 80]}]},
    ]  # fmt: skip
    scored = [{"frame_id": "f0", **keys[0], "time_s": 2.0, "aesthetic": 5.5}]
    captions = [{**key, "raw_caption": about.get("caption", f"what {key['clip_id']} shows")} for key in keys[:2]]
    told = [{"video_id": "one", "content_metadata": annotation(about.get("scene", title))}]
    categories = [
        {"video_id": v, "category": about.get("category", c)} for v, c in (("one", "Guests"), ("dark", "Night"))
    ]
    measured = {"shots": (SHOTS, shots), "key_frames": (KEY_FRAMES, frames)}
    verdicts = [{**key, "drop_reason": "motion.min" if n == 2 else None} for n, key in enumerate(keys)]
    return [
        add(run, "ingest", CATALOGUE, catalogue, kind="reduce", tables={"subtitles": (SUBTITLES, lines)}),
        add(run, "analyze", VIDEO, analyzed, ("ingest",), tables=measured),
        add(run, "categorize", {"video_id": TEXT, "category": TEXT}, categories, ("analyze",)),
        add(run, "align", {"video_id": TEXT, **ALIGNED}, told, ("categorize",)),
        add(run, "split", CLIP, clips, ("analyze",)),
        add(run, "score_frames", SCORES, scored, ("split",)),
        add(run, "describe", SEEN, seen, ("split",), stage="describe_frames"),
        add(run, "caption", {**IDS, **CAPTION}, captions, ("split",)),
        add(run, "filter", {**IDS, "drop_reason": TEXT}, verdicts, ("split",), tables={"values": (VALUES, values)},
            config={"rules": RULES}),
    ]  # fmt: skip
