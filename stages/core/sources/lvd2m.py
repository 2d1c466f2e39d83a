"""LVD-2M: clips of YouTube and WebVid videos, from its CSV files (https://github.com/SilentView/LVD-2M).

Three layouts, which differ in how a line gives the position of its clip:

ytb      span        start and end of the clip in the video: ['0:01:20.880', '0:01:33.983']
hdvg     orig_span   start and end of a longer clip of HD-VILA
         scene_cut   first and last frame of the clip within that; [0, -1]: all of it
webvid   url         the clip as a file
"""

import ast
import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import CAPTIONS, SPANS
from stages.core.schema.types import TEXT, Row, Schema
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.tables import MARKS, error_column, scan, why_column
from stages.core.sources.times import parse_seconds
from stages.core.sources.values import cast_column
from stages.core.sources.youtube import WATCH
from stages.core.storage import input_files

Layout = Literal["ytb", "hdvg", "webvid"]
NEEDED: dict[Layout, tuple[str, ...]] = {
    "ytb": ("key", "video_id", "span"),
    "hdvg": ("key", "video_id", "orig_span", "scene_cut", "video_time"),
    "webvid": ("key", "url", "video_time"),
}
SUFFIXES = {".csv"}
FACTS = ("key", "video_id", "url", "dataset_src", "total score", "span", "video_time", "orig_span", "scene_cut")
NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)  # what ast.literal_eval may raise
SLACK_S = 1.0  # by which a clip may exceed the longer one that it was cut from: rounding


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """`layout` applies to every line; None: the line's dataset_src decides, ytb if it is neither hdvg nor webvid."""

    name: Literal["lvd2m"]
    layout: Layout | None


class ClipSpan(NamedTuple):
    """The position of a clip in its video; or `wrong`, the reason why its line cannot be read."""

    start_s: float | None = None
    end_s: float | None = None
    score: float | None = None
    orig_start_s: float | None = None
    orig_end_s: float | None = None
    scene_cut: list[int] | None = None
    wrong: str | None = None


CLIP_SPAN: Schema = {name: SPANS.get(name, pl.String()) for name in ClipSpan._fields}


def check(path: str, options: Options) -> None:
    """Raises InputError if there is no CSV, or a local CSV lacks a column that all its lines need."""
    input_files.check(path)
    for file in [] if input_files.is_remote(path) else input_files.list_files(path, SUFFIXES):
        columns = [column for column in scan(file).collect_schema() if column not in MARKS]
        layout = common_layout(columns, options.layout)
        check_columns(file, columns, [layout] if layout else [])


def read(path: str, options: Options) -> Catalogue:
    """The videos of a CSV, or of all CSVs in a folder, each once; their clips are in `spans`.

    An unreadable line becomes a failed row `<video id>#<key>`. Captions are read only when the spans are written; the
    rest of every line is held in memory, about 0.3 KB.
    """
    tables = {file: scan(file) for file in input_files.list_files(path, SUFFIXES)}
    lines = pl.concat([read_lines(file, table, options.layout) for file, table in tables.items()])
    first = lines.filter(pl.col("key").is_null() | pl.struct("video_id", "key").is_first_distinct())
    clips = first.filter(pl.col("wrong").is_null())
    videos = clips.unique("video_id", keep="first", maintain_order=True).select(
        "video_id", "url", duration_s=pl.when(pl.col("layout") == "webvid").then("end_s")
    )
    name = pl.coalesce("key", pl.format("{}:{}", "file", "row"))
    failed = first.filter(pl.col("wrong").is_not_null()).select(
        pl.format("{}#{}", pl.col("video_id").fill_null(""), name).alias("video_id"),
        "url",
        error=pl.coalesce("error", pl.lit("bad_value")),
        error_detail=pl.coalesce(
            pl.format("{}: {}", "file", "why"), pl.format("{}: row {}: {}", "file", "row", "wrong")
        ),
    )
    return Catalogue(
        rows=pl.concat([videos, failed], how="diagonal").with_columns(source=pl.lit("lvd2m")).lazy(),
        spans=pl.concat([spans(table, clips.filter(pl.col("file") == file)) for file, table in tables.items()]),
        left_out={"duplicate": len(lines) - len(first)} if len(first) < len(lines) else {},
    )


def common_layout(columns: list[str], configured: Layout | None) -> Layout | None:
    """The layout of all lines; None if each line has its own."""
    if configured or "dataset_src" in columns:
        return configured
    return "hdvg" if "orig_span" in columns else "ytb"


def check_columns(file: str, columns: list[str], layouts: Sequence[Layout]) -> None:
    for layout in layouts:
        for column in NEEDED[layout]:
            if column not in columns:
                raise InputError(
                    f"{file} has no column {column!r}, which layout {layout} needs; it has: {', '.join(columns)}. "
                    f"Say source.layout=… if it is another one: {', '.join(NEEDED)}"
                )


def read_lines(file: str, table: pl.LazyFrame, configured: Layout | None) -> pl.DataFrame:
    """Every line of the file without its captions: file, row (from 1), layout, some of FACTS, and CLIP_SPAN."""
    schema = table.collect_schema()
    columns = [column for column in schema if column not in MARKS]
    layout, source = common_layout(columns, configured), pl.col("dataset_src")
    by_line = pl.when(source.is_in(["hdvg", "webvid"])).then(source).otherwise(pl.lit("ytb"))
    clip = pl.col("layout") == "webvid"
    try:
        marks = error_column(schema).alias("error"), why_column(schema).alias("why")
        facts = table.select(*select_or_null(columns, FACTS), *marks).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{file} cannot be read as .csv: {error}") from error
    lines = (
        facts.with_row_index("row", offset=1)
        .with_columns(file=pl.lit(file), layout=pl.lit(layout) if layout else by_line)
        .with_columns(video_id=pl.when(clip).then(pl.coalesce("video_id", "key")).otherwise("video_id"))
        .with_columns(url=pl.when(clip).then("url").otherwise(pl.coalesce("url", WATCH + pl.col("video_id"))))
    )
    check_columns(file, columns, lines.filter(pl.col("error").is_null())["layout"].unique().sort().to_list())
    clip_spans = pl.DataFrame([parse_line(line) for line in lines.iter_rows(named=True)], CLIP_SPAN, orient="row")
    kept = ("file", "row", "layout", "key", "video_id", "url", "dataset_src", "error", "why")
    return lines.select(kept).hstack(clip_spans)


def select_or_null(columns: list[str], names: tuple[str, ...]) -> list[pl.Expr]:
    """Columns by name; null for a cell that says nothing, or a missing column."""
    return [(cast_column(c, TEXT, TEXT) if c in columns else pl.lit(None, pl.String).alias(c)) for c in names]


def parse_line(line: Row) -> ClipSpan:
    try:
        for column in ("key", "video_id", "url"):
            if line[column] is None:
                raise ValueError(f"{column} is empty")
        parse = {"ytb": parse_video_span, "hdvg": parse_clip_span, "webvid": parse_file_span}[str(line["layout"])]
        clip_span = parse(line)
        score = parse_number(line, "total score", float)
        if score is not None and not math.isfinite(score):
            raise ValueError(f"total score={line['total score']!r} is not a number")
        return clip_span._replace(score=score)
    except ValueError as error:
        return ClipSpan(wrong=str(error))


def parse_video_span(line: Row) -> ClipSpan:
    return ClipSpan(*parse_times(line, "span"))


def parse_clip_span(line: Row) -> ClipSpan:
    """HD-VG gives frames of a clip of HD-VILA; the frame rate follows from the length of the part, video_time."""
    start_s, end_s = parse_times(line, "orig_span")
    cut, length_s = parse_pair(line, "scene_cut"), parse_number(line, "video_time", parse_seconds)
    clip_span = ClipSpan(start_s, end_s, orig_start_s=start_s, orig_end_s=end_s, scene_cut=cut)
    if cut == [0, -1]:
        return clip_span
    if not all(type(frame) is int for frame in cut) or not 0 <= cut[0] < cut[1] < 2**31 or not length_s:
        raise ValueError(f"scene_cut={line['scene_cut']!r}, video_time={line['video_time']!r} are not a part of a clip")
    from_s = start_s + length_s * cut[0] / (cut[1] - cut[0])
    if from_s + length_s > end_s + SLACK_S:
        raise ValueError(f"scene_cut={line['scene_cut']!r} reaches beyond orig_span={line['orig_span']!r}")
    return clip_span._replace(start_s=from_s, end_s=from_s + length_s)


def parse_file_span(line: Row) -> ClipSpan:
    return ClipSpan(0.0, parse_number(line, "video_time", parse_seconds))


def parse_times(line: Row, column: str) -> tuple[float, float]:
    start, end = parse_pair(line, column)
    try:
        start_s, end_s = parse_seconds(str(start)), parse_seconds(str(end))
    except ValueError as error:
        raise ValueError(f"{column}={line[column]!r}: {error}") from error
    if start_s >= end_s:
        raise ValueError(f"{column}={line[column]!r} ends before it begins")
    return start_s, end_s


def parse_pair(line: Row, column: str) -> list[Any]:
    text = str(line[column])
    try:
        values = json.loads(text.replace("'", '"'))  # fits nearly all lines; six times faster than literal_eval
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(text)
        except NO_LITERAL:
            values = None
    if not isinstance(values, list | tuple) or len(values) != 2:
        raise ValueError(f"{column}={line[column]!r} is not a list of two")
    return list(values)


def parse_number(line: Row, column: str, read: Callable[[str], float]) -> float | None:
    try:
        return None if line[column] is None else read(str(line[column]))
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from error


def spans(table: pl.LazyFrame, clips: pl.DataFrame) -> pl.LazyFrame:
    """A file's clips as rows of SPANS, in its order; captions are joined lazily."""
    names = table.collect_schema().names()
    captions = table.with_row_index("row", offset=1).select("row", *select_or_null(names, CAPTIONS))
    named = clips.lazy().rename({"key": "span_id", "dataset_src": "source"})
    return captions.join(named, on="row", maintain_order="left").select(list(SPANS))
