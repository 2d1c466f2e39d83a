"""Brings the tables of a run together by item: laid down by block in one pass, then a block at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from slurm.record.manifest import Step
from stages.core.explorer.layout import KEYS, MARKS, Column, Layout, as_kind
from stages.core.explorer.spool import Spool, read_batches

SIDE_TABLES = {  # nearest table of this name → its columns that a row shows
    "shots": ("start_s", "end_s"),
    "subtitles": ("start_s", "end_s", "text", "language", "kind"),
    "parts": ("start_s", "end_s", "caption_short", "caption_detailed", "caption_motion"),
}
SOURCE_WIDTH = "picture_width"  # of a video as displayed, in pixels, whatever its clip was cropped to
RULE_COLUMNS = ("rule", "value", "text", "failed")


@dataclass(frozen=True)
class Block:
    """`items` with the layout's columns; `steps`, `side`, `values`, `frames`: rows of tables by item or video."""

    number: int
    items: pl.DataFrame
    steps: dict[str, dict[str, tuple[str, str | None, str | None]]]  # step → id → what became of it, reason, detail
    side: dict[str, dict[str, list[tuple[Any, ...]]]]
    values: dict[str, dict[str, list[tuple[Any, ...]]]]
    frames: dict[str, list[dict[str, Any]]]


def spool_tables(layout: Layout, items: pl.DataFrame, spool: Spool) -> None:
    """Reads each table once, and lays its rows down by the blocks of the items that they belong to."""
    clips = items.filter("clip").select(clip_id="id", block="block")
    videos = items.select("video_id", "block").unique(maintain_order=True)
    places = {"clip_id": clips, "video_id": videos}
    for step in layout.steps:
        key = item_key(step)
        of_frames = step in layout.frames
        wanted = frame_columns(step) if of_frames else row_columns(layout, step)
        lay_down(spool, f"{step.name}.rows", read_batches(step, "rows", wanted), key, places[key])
        if "values" in step.plan.tables and step.files("values"):
            columns = [
                pl.col(name)
                for name in (step.plan.key, *RULE_COLUMNS)
                if name in (step.plan.key, *step.plan.tables["values"])
            ]
            lay_down(spool, f"{step.name}.values", read_batches(step, "values", columns), key, places[key])
    for table, names in SIDE_TABLES.items():
        if (giver := layout.table(table)) is not None:
            gives = giver.plan.tables[table]
            key = "clip_id" if "clip_id" in gives or giver.plan.key == "clip_id" else "video_id"
            columns = [pl.col(name) for name in (key, *names) if name == key or name in gives]
            lay_down(spool, f"{table}.side", read_batches(giver, table, columns), key, places[key])


def lay_down(spool: Spool, name: str, batches: Iterator[pl.DataFrame], key: str, places: pl.DataFrame) -> None:
    for batch in batches:
        spool.add(name, batch.join(places, on=key, maintain_order="left"))


def item_key(step: Step) -> str:
    """The key by which the rows of a step belong to items: that of clips where they have it."""
    return next(key for key in KEYS.values() if key in step.plan.keys)


def row_columns(layout: Layout, step: Step) -> list[pl.Expr]:
    """The columns of a step's rows that items show, as texts and numbers."""
    gives = step.plan.gives
    shown = [column.name for column in layout.columns if step.name in (*column.clip, *column.video)]
    marks = [pl.col(name) for name in MARKS if name in gives]
    return [pl.col(step.plan.key), *marks, *(as_kind(name, gives[name]) for name in shown)]


def frame_columns(step: Step) -> list[pl.Expr]:
    keep = [name for name, dtype in step.plan.gives.items() if "Float16" not in dtype and "Binary" not in dtype]
    return [pl.col(name) for name in keep]


def read_blocks(layout: Layout, items: pl.DataFrame, spool: Spool) -> Iterator[Block]:
    """The blocks, one after another."""
    for rows in items.partition_by("block", maintain_order=True):
        number = int(rows["block"][0])
        tables = {step.name: spool.read(f"{step.name}.rows", number) for step in layout.steps}
        steps = {s.name: states(s, tables[s.name]) for s in layout.steps if s not in layout.frames}
        yield Block(
            number,
            join_columns(layout, rows, tables),
            steps,
            {t: by_key(spool.read(f"{t}.side", number)) for t in SIDE_TABLES if layout.table(t) is not None},
            {
                s.name: by_key(spool.read(f"{s.name}.values", number))
                for s in layout.steps
                if "values" in s.plan.tables and s.files("values")
            },
            gather_frames(layout.frames, tables),
        )


def states(step: Step, rows: pl.DataFrame) -> dict[str, tuple[str, str | None, str | None]]:
    """Of each item that a step has: kept, dropped or failed, and why."""
    marks = {name: pl.col(name) if name in rows.columns else pl.lit(None, pl.String) for name in MARKS}
    failed, dropped = marks["error"].is_not_null(), marks["drop_reason"].is_not_null()
    outcome = pl.when(failed).then(pl.lit("failed")).when(dropped).then(pl.lit("dropped")).otherwise(pl.lit("kept"))
    said = rows.select(
        step.plan.key,
        outcome.alias("outcome"),
        pl.coalesce(marks["error"], marks["drop_reason"]).alias("r"),
        marks["error_detail"].alias("d"),
    )
    return {row[0]: row[1:] for row in said.iter_rows()}


def by_key(rows: pl.DataFrame) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each id, without it; structs of the columns that the table has."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for key, *rest in rows.iter_rows():
        found.setdefault(key, []).append(tuple(rest))
    return found


def join_columns(layout: Layout, items: pl.DataFrame, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The items with each column: of a clip what steps say of clips, else of its frames, else of its video."""
    wide = items
    for step in layout.steps:
        key, rows = item_key(step), tables[step.name]
        of_frames = step in layout.frames
        names = [c.name for c in layout.columns if step.name in (c.frame if of_frames else (*c.clip, *c.video))]
        if of_frames:
            rows = rows.group_by(key, maintain_order=True).agg(pl.col(names).mean())
        else:
            rows = rows.select(key, *names).unique(key, keep="first", maintain_order=True)
        rows = rows.rename({name: f"{name}@{step.name}" for name in names})
        left = "id" if key == "clip_id" else "video_id"
        wide = wide.join(rows, left_on=left, right_on=key, how="left", maintain_order="left")
    shown = [value_of(column) for column in layout.columns if column.name not in items.columns]
    of_video = {c.name: [pl.col(f"{c.name}@{step}") for step in c.video] for c in layout.columns}
    width, shape = (pl.coalesce(*of_video.get(name, []), pl.lit(None, pl.Float64)) for name in ("width_px", "sar"))
    return wide.select(*items.columns, *shown, (width * shape.fill_null(1.0)).alias(SOURCE_WIDTH))


def value_of(column: Column) -> pl.Expr:
    own = [pl.col(f"{column.name}@{step}") for step in (*column.clip, *column.frame)]
    video = [pl.col(f"{column.name}@{step}") for step in (*column.frame, *column.video)]
    nothing = pl.lit(None)
    of_video = pl.coalesce(video) if video else nothing
    return pl.when("clip").then(pl.coalesce(own) if own else of_video).otherwise(of_video).alias(column.name)


def gather_frames(steps: Sequence[Step], tables: dict[str, pl.DataFrame]) -> dict[str, list[dict[str, Any]]]:
    """The frames of each clip, or video, by time; what several steps say of one is together."""
    found: dict[str, dict[float, dict[str, Any]]] = {}
    for step in steps:
        key = item_key(step)
        for row in tables[step.name].filter(pl.col("time_s").is_not_null()).iter_rows(named=True):
            frame = found.setdefault(row[key], {}).setdefault(row["time_s"], {})
            frame |= {name: value for name, value in row.items() if value is not None and name not in frame}
    return {key: [frames[time_s] for time_s in sorted(frames)] for key, frames in found.items()}
