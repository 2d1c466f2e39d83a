"""LVD-2M: clips of YouTube and WebVid videos, from its CSV files (https://github.com/SilentView/LVD-2M).

Three layouts, which differ in where a line says that its clip lies:

ytb      span        the clip's first and last time in the video: ['0:01:20.880', '0:01:33.983']
hdvg     orig_span   the times of a longer clip, HD-VILA's
         scene_cut   first and last frame of the clip within that one; [0, -1]: all of it
webvid   url         a file that is the clip
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
from stages.core.schema.catalogue import SPANS
from stages.core.schema.types import Row, Schema
from stages.core.sources.found import Found
from stages.core.sources.tables import scan
from stages.core.sources.times import seconds
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
CAPTIONS = ("raw_caption", "refined_caption", "rewritten_caption", "orig_caption")
NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)  # what ast.literal_eval may raise
SLACK_S = 1.0  # what a clip may reach beyond the longer one that it was cut from: rounding


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """`layout` is that of every line; None: hdvg and webvid where a line's dataset_src says so, else ytb."""

    name: Literal["lvd2m"]
    layout: Layout | None


class Place(NamedTuple):
    """Where in its video a clip lies; or what is wrong with its line."""

    start_s: float | None = None
    end_s: float | None = None
    score: float | None = None
    orig_start_s: float | None = None
    orig_end_s: float | None = None
    scene_cut: list[int] | None = None
    wrong: str | None = None


PLACE: Schema = {name: SPANS.get(name, pl.String()) for name in Place._fields}


def check(path: str, options: Options) -> None:
    """Raises InputError if there is no CSV, or a local one lacks a column that all its lines need."""
    input_files.check(path)
    for file in [] if input_files.is_remote(path) else input_files.list_files(path, SUFFIXES):
        found = scan(file).collect_schema().names()
        layout = one_layout(found, options.layout)
        check_columns(file, found, [layout] if layout else [])


def read(path: str, options: Options) -> Found:
    """The videos of a CSV, or of all CSVs in a folder, each once; `spans` has their clips.

    A line that cannot be read is a row of its own, `<video id>#<key>`. The captions stay in their files until the spans
    are written; the rest of every line is held in memory, about 0.3 KB.
    """
    tables = {file: scan(file) for file in input_files.list_files(path, SUFFIXES)}
    lines = pl.concat([placed_lines(file, table, options.layout) for file, table in tables.items()])
    first = lines.filter(pl.col("key").is_null() | pl.struct("video_id", "key").is_first_distinct())
    clips = first.filter(pl.col("wrong").is_null())
    videos = clips.unique("video_id", keep="first", maintain_order=True).select(
        "video_id", "url", duration_s=pl.when(pl.col("layout") == "webvid").then("end_s")
    )
    name = pl.coalesce("key", pl.format("{}:{}", "file", "row"))
    failed = first.filter(pl.col("wrong").is_not_null()).select(
        pl.format("{}#{}", pl.col("video_id").fill_null(""), name).alias("video_id"),
        "url",
        error=pl.lit("bad_value"),
        error_detail=pl.format("{}: row {}: {}", "file", "row", "wrong"),
    )
    return Found(
        rows=pl.concat([videos, failed], how="diagonal").with_columns(source=pl.lit("lvd2m")).lazy(),
        spans=pl.concat([spans(table, clips.filter(pl.col("file") == file)) for file, table in tables.items()]),
        left_out={"duplicate": len(lines) - len(first)} if len(first) < len(lines) else {},
    )


def one_layout(found: list[str], wanted: Layout | None) -> Layout | None:
    """The layout of all lines; None where it is each line's own."""
    if wanted or "dataset_src" in found:
        return wanted
    return "hdvg" if "orig_span" in found else "ytb"


def check_columns(file: str, found: list[str], layouts: Sequence[Layout]) -> None:
    for layout in layouts:
        for column in NEEDED[layout]:
            if column not in found:
                raise InputError(
                    f"{file} has no column {column!r}, which layout {layout} needs; it has: {', '.join(found)}. "
                    f"Say source.layout=… if it is another one: {', '.join(NEEDED)}"
                )


def placed_lines(file: str, table: pl.LazyFrame, wanted: Layout | None) -> pl.DataFrame:
    """Every line of the file without its captions: file, row (from 1), layout, some of FACTS, and PLACE."""
    found = table.collect_schema().names()
    one, source = one_layout(found, wanted), pl.col("dataset_src")
    own = pl.when(source.is_in(["hdvg", "webvid"])).then(source).otherwise(pl.lit("ytb"))
    clip = pl.col("layout") == "webvid"
    try:
        facts = table.select(given(found, FACTS)).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{file} cannot be read as .csv: {error}") from error
    lines = (
        facts.with_row_index("row", offset=1)
        .with_columns(file=pl.lit(file), layout=pl.lit(one) if one else own)
        .with_columns(video_id=pl.when(clip).then(pl.coalesce("video_id", "key")).otherwise("video_id"))
        .with_columns(url=pl.when(clip).then("url").otherwise(pl.coalesce("url", WATCH + pl.col("video_id"))))
    )
    check_columns(file, found, lines["layout"].unique().sort().to_list())
    placed = pl.DataFrame([place(line) for line in lines.iter_rows(named=True)], PLACE, orient="row")
    return lines.select("file", "row", "layout", "key", "video_id", "url", "dataset_src").hstack(placed)


def given(found: list[str], names: tuple[str, ...]) -> list[pl.Expr]:
    """Columns by name, an empty cell or a column that is not there as null."""
    return [(pl.when(pl.col(c) != "").then(c) if c in found else pl.lit(None, pl.String).alias(c)) for c in names]


def place(line: Row) -> Place:
    try:
        for column in ("key", "video_id", "url"):
            if line[column] is None:
                raise ValueError(f"{column} is empty")
        found = {"ytb": in_video, "hdvg": in_clip, "webvid": whole_file}[str(line["layout"])](line)
        score = number(line, "total score", float)
        if score is not None and not math.isfinite(score):
            raise ValueError(f"total score={line['total score']!r} is not a number")
        return found._replace(score=score)
    except ValueError as error:
        return Place(wrong=str(error))


def in_video(line: Row) -> Place:
    return Place(*times(line, "span"))


def in_clip(line: Row) -> Place:
    """HD-VG cut HD-VILA's clips at frames; their rate follows from the length of what it cut."""
    start_s, end_s = times(line, "orig_span")
    cut, length_s = pair(line, "scene_cut"), number(line, "video_time", seconds)
    found = Place(start_s, end_s, orig_start_s=start_s, orig_end_s=end_s, scene_cut=cut)
    if cut == [0, -1]:
        return found
    if not all(type(frame) is int for frame in cut) or not 0 <= cut[0] < cut[1] < 2**31 or not length_s:
        raise ValueError(f"scene_cut={line['scene_cut']!r}, video_time={line['video_time']!r} name no part of a clip")
    from_s = start_s + length_s * cut[0] / (cut[1] - cut[0])
    if from_s + length_s > end_s + SLACK_S:
        raise ValueError(f"scene_cut={line['scene_cut']!r} reaches beyond orig_span={line['orig_span']!r}")
    return found._replace(start_s=from_s, end_s=from_s + length_s)


def whole_file(line: Row) -> Place:
    return Place(0.0, number(line, "video_time", seconds))


def times(line: Row, column: str) -> tuple[float, float]:
    start, end = pair(line, column)
    try:
        start_s, end_s = seconds(str(start)), seconds(str(end))
    except ValueError as error:
        raise ValueError(f"{column}={line[column]!r}: {error}") from error
    if start_s >= end_s:
        raise ValueError(f"{column}={line[column]!r} ends before it begins")
    return start_s, end_s


def pair(line: Row, column: str) -> list[Any]:
    text = str(line[column])
    try:
        found = json.loads(text.replace("'", '"'))  # nearly all of them, and six times faster
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(text)
        except NO_LITERAL:
            found = None
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise ValueError(f"{column}={line[column]!r} is not a list of two")
    return list(found)


def number(line: Row, column: str, read: Callable[[str], float]) -> float | None:
    try:
        return None if line[column] is None else read(str(line[column]))
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from error


def spans(table: pl.LazyFrame, clips: pl.DataFrame) -> pl.LazyFrame:
    """A file's clips by SPANS, in its order, each joined to its captions as it is written."""
    names = table.collect_schema().names()
    captions = table.with_row_index("row", offset=1).select("row", *given(names, CAPTIONS))  # perhaps none
    named = clips.lazy().rename({"key": "span_id", "dataset_src": "source"})
    return captions.join(named, on="row", maintain_order="left").select(list(SPANS))
