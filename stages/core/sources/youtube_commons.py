"""YouTube-Commons: transcripts of videos under a CC BY licence (https://huggingface.co/datasets/PleIAs/YouTube-Commons).

Its Parquet files have a row for each language that a video was translated into, and differ in their columns: how the
language was told is `source_language` in some and `language_id_method` in others.
"""

import os
from collections import Counter
from typing import Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.types import INT, TEXT
from stages.core.sources import tables, youtube
from stages.core.sources.folder import video_id
from stages.core.sources.found import Found
from stages.core.sources.values import typed
from stages.core.storage import input_files

SUFFIXES = {".parquet"}
AT_ONCE_BYTES = 512 << 20  # of files that are read at the same time; their kept rows are in memory
ROW = "_row"
METHODS = ("source_language", "language_id_method")
COLUMNS = {  # catalogue's column → theirs
    "title": "title",
    "description": "description",
    "channel": "channel",
    "channel_id": "channel_id",
    "tags": "tags",
    "language": "original_language",
    "duration_s": "duration_string",
    "views": "view_count",
    "likes": "like_count",
    "comments": "comment_count",
    "followers": "channel_follower_count",
    "upload_date": "date",
    "licence": "license",
    "transcript": "text",
    "words": "word_count",
}
NEEDED = ("video_id", "text", "original_language", "transcription_language", "word_count")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """Null lets everything pass."""

    name: Literal["youtube_commons"]
    original_language: str | None
    transcription_language: str | None
    source_language: str | None
    words_above: Annotated[int, Field(ge=0)] | None


def check(path: str, options: Options) -> None:
    input_files.check(path)


def read(path: str, options: Options) -> Found:
    """The rows that pass, each video once: of several the first in the order of the files.

    The files are read twice: first the narrow columns that decide, file by file; then, as they are written, the wide
    ones of what passes. A row without an id of YouTube fails; of other columns what cannot be read is null.
    """
    files = input_files.list_files(path, SUFFIXES)
    out: Counter[str] = Counter()
    passed = []
    for number, file in enumerate(files):
        table, given = scan(file)
        fails = reasons(given, options)
        why = [pl.when(fail).then(pl.lit(reason)) for reason, fail in fails.items()]
        found = table.select("video_id", ROW, out=pl.coalesce(*why, pl.lit(None, TEXT))).collect()
        out.update({reason: int((found["out"] == reason).sum()) for reason in fails})
        passed.append(found.filter(pl.col("out").is_null()).select("video_id", ROW, file=pl.lit(number)))
    ids = pl.concat(passed).filter(youtube.is_id(pl.col("video_id")))
    twice = ids.filter(~pl.col("video_id").is_first_distinct())
    out["duplicate"] = len(twice)
    again = [twice.filter(file=number)[ROW] for number in range(len(files))]
    rows = [catalogue(file, options, twice) for file, twice in zip(files, again, strict=True)]
    largest = max(input_files.size(file) for file in files)
    at_once = max(1, min(len(os.sched_getaffinity(0)), AT_ONCE_BYTES // max(1, largest)))
    return Found(tables.in_order(rows, at_once), left_out={why: n for why, n in out.items() if n})


def scan(file: str) -> tuple[pl.LazyFrame, pl.Schema]:
    """The file's rows, numbered from 1, and its columns; an InputError if it lacks one that is needed."""
    table = tables.scan(file, ROW)
    given = table.collect_schema()
    for column in NEEDED:
        if column not in given:
            raise InputError(f"{file} has no column {column!r}; it has: {', '.join(list(given)[1:])}")
    return table, given


def reasons(given: pl.Schema, options: Options) -> dict[str, pl.Expr]:
    """What leaves a row out, first reason first."""
    method = pl.coalesce(*(c for c in METHODS if c in given), pl.lit(None, TEXT))
    wanted = [
        (pl.col("original_language"), options.original_language),
        (pl.col("transcription_language"), options.transcription_language),
        (method, options.source_language),
    ]
    languages = [column.eq_missing(pl.lit(only)) for column, only in wanted if only is not None]
    words, above = typed("word_count", given["word_count"], INT), options.words_above
    found = {"language": ~pl.all_horizontal(languages)} if languages else {}
    return found | ({"words_unknown": words.is_null(), "too_few_words": words <= above} if above is not None else {})


def catalogue(file: str, options: Options, again: pl.Series) -> pl.LazyFrame:
    """The rows of a file that pass, as CATALOGUE has them; those whose video another row has are left out."""
    table, given = scan(file)
    out = list(reasons(given, options).values())
    if len(again):
        out.append(pl.col(ROW).is_in(again.implode()))
    key, bad = pl.col("video_id"), ~youtube.is_id(pl.col("video_id")).fill_null(False)
    about = {
        name: typed(theirs, given[theirs], ABOUT[name]) if theirs in given else pl.lit(None, ABOUT[name])
        for name, theirs in COLUMNS.items()
    }
    return table.filter(*(~fails for fails in out)).select(
        video_id=pl.when(bad).then(pl.format("{}#{}", pl.lit(video_id(file)), ROW)).otherwise(key),
        source=pl.lit("youtube_commons"),
        url=pl.when(~bad).then(youtube.WATCH + key),
        **about,
        error=pl.when(bad).then(pl.lit("bad_value")),
        error_detail=pl.when(bad).then(pl.format("{}: row {}: video_id={}", pl.lit(file), ROW, key.fill_null(""))),
    )
