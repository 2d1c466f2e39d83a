"""All that the page shows of one item, once it is opened."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from slurm.credentials import redact
from slurm.record.manifest import Step
from stages.core.explorer.annotation import read_annotation
from stages.core.explorer.gather import RULE_COLUMNS, SIDE_TABLES, SOURCE_WIDTH, Block, item_key
from stages.core.explorer.layout import FRAME_FACTS, Layout
from stages.core.explorer.media import Places
from stages.core.text.annotation.times import read_time

Detail = dict[str, Any]
LONGEST = 20_000  # characters of a text that a page shows
APART = ("content_metadata", "original", "transcript", "path", "clip_path")  # shown in a place of their own


def make_details(block: Block, layout: Layout, places: Places) -> Iterator[Detail]:
    """Of each item of the block, in their order; times are those of its video's file."""
    words = layout.words
    names = [column.name for column in layout.columns if column.name not in {*APART, *words}]
    for row in block.items.iter_rows(named=True):
        span = (row.get("start_s"), row.get("end_s")) if row["clip"] else (None, None)
        duration_s = row.get("duration_s")
        ids = {"clip_id": row["id"] if row["clip"] else None, "video_id": row["video_id"]}
        yield {
            "row": row["row"],
            "id": row["id"],
            "video": row["video_id"],
            "clip": row["clip"],
            "span": span,
            "media": find_media(row, places),
            "shots": within([shot[:2] for shot in block.side.get("shots", {}).get(row["video_id"], [])], span),
            "lines": within(read_lines(row, block), span),
            "parts": read_parts(row, block, layout),
            "annotation": read_annotation(row.get("content_metadata"), duration_s),
            "transcript": cut(row.get("transcript")),
            "words": {name: cut(row[name]) for name in words if name not in APART and row.get(name)},
            "facts": {name: shown(row[name]) for name in names if row.get(name) is not None},
            "frames": read_frames(row, block, span),
            "steps": [state for step in layout.steps if (state := read_state(step, ids, block, layout))],
        }


def find_media(row: Detail, places: Places) -> Detail:
    """The file that the page plays: that of the clip, else of its video; `offset`: where it begins in the video."""
    path = (row.get("clip_path") if row["clip"] else None) or row.get("path")
    own = bool(row["clip"] and row.get("clip_path"))
    box = [row.get(f"crop_{name}_px") for name in ("x", "y", "width", "height")]
    return {
        "path": redact(path) if path else None,
        "src": places.address(path) if path else None,
        "offset": (row.get("start_s") or 0.0) if own else 0.0,
        "own": own,
        "crop": box if own and all(side is not None for side in box) else None,
        "width": row[SOURCE_WIDTH],
        "codec": row.get("codec"),
    }


def read_lines(row: Detail, block: Block) -> list[tuple[float, float, str]]:
    """What is said, by time: subtitles of the language that comes first, else those that a dataset brought along."""
    offset_s, names = row.get("offset_s") or 0.0, SIDE_TABLES["subtitles"]
    told = [dict(zip(names, line, strict=False)) for line in block.side.get("subtitles", {}).get(row["video_id"], [])]
    if told:
        track = (told[0].get("language"), told[0].get("kind"))
        told = [line for line in told if (line.get("language"), line.get("kind")) == track]
        lines = [(line["start_s"], line["end_s"], line["text"]) for line in told]
    else:
        lines = [line for one in listed(row.get("original")) if (line := read_line(one)) is not None]
    return sorted(
        (start - offset_s, end - offset_s, cut(" ".join(text.split())) or "")
        for start, end, text in lines
        if start is not None and end is not None and text
    )


def listed(original: str | None) -> list[Detail]:
    try:
        known = json.loads(original) if original else {}
    except ValueError:
        return []
    lines = known.get("timecoded_text_to_speech") if isinstance(known, dict) else None
    return [one for one in lines if isinstance(one, dict)] if isinstance(lines, list) else []


def read_line(line: Detail) -> tuple[float | None, float | None, str] | None:
    start, end = (
        read_time(line.get(side), is_end=side == "end", first_s=0, last_s=0, fps=25) for side in ("start", "end")
    )
    return (start, end, str(line["text"])) if line.get("text") else None


def read_parts(row: Detail, block: Block, layout: Layout) -> list[tuple[float, float, str]]:
    """What a model said of each part of it, by time."""
    giver = layout.table("parts")
    if giver is None:
        return []
    names = [name for name in SIDE_TABLES["parts"] if name in giver.plan.tables["parts"]]
    told = [dict(zip(names, part, strict=True)) for part in block.side["parts"].get(row["id"], [])]
    texts = [name for name in names if name.startswith("caption_")]
    return [(one["start_s"], one["end_s"], next((one[name] for name in texts if one[name]), "")) for one in told]


def within(spans: Sequence[tuple[Any, ...]], span: tuple[float | None, float | None]) -> list[tuple[Any, ...]]:
    """Those that lie in a span at least in part; all of them without one."""
    start_s, end_s = span
    if start_s is None or end_s is None:
        return list(spans)
    return [one for one in spans if one[0] < end_s and one[1] > start_s]


def read_frames(row: Detail, block: Block, span: tuple[float | None, float | None]) -> list[Detail]:
    """Its frames: when, how large the picture was, what is where in it, and the numbers of each."""
    frames = block.frames.get(row["id"]) or block.frames.get(row["video_id"], [])
    timed = within([(frame["time_s"], frame["time_s"], frame) for frame in frames], span)
    return [
        {
            "time": frame["time_s"],
            "size": [frame.get("width_px"), frame.get("height_px")],
            "words": [frame[name] for name in ("caption", "detailed_caption") if frame.get(name)],
            "regions": [[one["label"], one["box"]] for one in frame.get("regions") or [] if one and one["box"]],
            "texts": [[one["text"], one["corners"]] for one in frame.get("texts") or [] if one and one["corners"]],
            "facts": {name: shown(value) for name, value in frame.items() if is_fact(name, value)},
        }
        for _, _, frame in timed
    ]


def is_fact(name: str, value: object) -> bool:
    return name not in (*FRAME_FACTS, "clip_id", "video_id", "error", "error_detail") and isinstance(
        value, int | float | str
    )


def read_state(step: Step, ids: dict[str, str | None], block: Block, layout: Layout) -> list[Any] | None:
    """What became of it in a step: the step's number, outcome, reason, detail, and what each rule saw of it."""
    key, number = item_key(step), layout.steps.index(step)
    if step in layout.frames:
        own = ids[key]
        frames = len(block.frames.get(own, [])) if own else 0
        return [number, "kept", None, f"{frames} frames", []] if frames else None
    known = block.steps[step.name].get(ids[key] or "")
    if known is None:
        return None
    outcome, reason, detail = known
    columns = [name for name in RULE_COLUMNS if name in step.plan.tables.get("values", {})]
    rules = [dict(zip(columns, one, strict=True)) for one in block.values.get(step.name, {}).get(ids[key] or "", [])]
    seen = [[one["rule"], one["value"] if one.get("text") is None else one["text"], one.get("failed")] for one in rules]
    return [number, outcome, reason, redact(detail)[:2000] if detail else None, seen]


def cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else f"{text[:LONGEST]} …"


def shown(value: object) -> object:
    """A number with at most six digits, a text without credentials."""
    return (
        float(f"{value:.6g}") if isinstance(value, float) else cut(redact(value)) if isinstance(value, str) else value
    )
