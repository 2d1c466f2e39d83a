"""OpenVid-1M: clips in zip files, from its CSV (https://huggingface.co/datasets/nkp37/OpenVid-1M).

The CSV does not say in which zip file a clip is: the directories of all are read, some 0.6 MB each, and of the videos
nothing. The URL of a row says where in its zip file the clip lies, so that its download is one request.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.throttled import ThrottledError
from stages.core.fetch.web.archive import GONE
from stages.core.fetch.web.zips import MemberLocation, address, directory
from stages.core.schema.types import INT, REAL, TEXT, Schema
from stages.core.sources import tables
from stages.core.sources.found import Found
from stages.core.storage import input_files

if TYPE_CHECKING:
    from stages.core.fetch.session import Session
    from stages.core.fetch.web.http import HttpClient

NUMBERS = range(186)  # of the zip files that are published
FILE, CAPTION, AESTHETIC, SECONDS = "video", "caption", "aesthetic score", "seconds"
MINIMA = {
    "min_aesthetic": AESTHETIC,
    "min_motion": "motion score",
    "min_consistency": "temporal consistency score",
    "min_s": SECONDS,
}
PACE = Pace(requests_per_s=None, sleep_s=(0, 0), back_off_s=(1, 300), back_offs=9)
OPEN = Access(proxies=None, cookies=None, source_address=None)
STALL_S = 60.0
INSTEAD = "Copies will do: source.zips=DIR with some of the zip files, source.numbers=[…] with their numbers"
Member = tuple[str, str, int]  # as MEMBERS
MEMBERS: Schema = {"file": TEXT, "url": TEXT, "bytes": INT}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """Values are in conf/source/openvid.yaml. `files` is what zip file {n} may be called, first choice first."""

    name: Literal["openvid"]
    zips: str
    files: Annotated[list[str], Field(min_length=1)]
    numbers: Annotated[list[int], Field(min_length=1)] | None
    min_aesthetic: float | None
    min_motion: float | None
    min_consistency: float | None
    min_s: float | None
    at_once: Annotated[int, Field(gt=0)]


def check(path: str, options: Options) -> None:
    """What can be told before a server is asked."""
    input_files.check(path)
    if not input_files.is_remote(options.zips) and not Path(options.zips).is_dir():
        raise InputError(f"source.zips={options.zips}: no such folder (seen from {Path.cwd()})")
    for name in options.files:
        if "{n}" not in name:
            raise InputError(f"source.files: {name!r} has no {{n}} in the place of the number")


def read(path: str, options: Options) -> Found:
    """The clips that reach the minima, each a video with one span: its caption, and its aesthetic score.

    Captions stay in the file until the spans are written. A session that cannot be read is a row "<video id>#<row>".
    """
    check(path, options)
    file = one_file(path)
    table = tables.scan(file).with_row_index("row", offset=1)
    lines = marked(table, file, options).with_columns(source=pl.lit(PurePosixPath(file).stem))
    wanted = lines.filter(pl.col("out").is_null())
    whole = wanted.filter(pl.col("wrong").is_null())
    clips = whole.unique("video_id", keep="first", maintain_order=True)
    failed = wanted.filter(pl.col("wrong").is_not_null()).select(
        pl.format("{}#{}", pl.col("video_id").fill_null(""), "row").alias("video_id"),
        "source",
        error=pl.lit("bad_value"),
        error_detail=pl.format("row {}: {}", "row", "wrong"),
    )
    spans = clips.lazy().select("row", "video_id", "source", "score", span_id="video_id", end_s="duration_s")
    captions = table.select("row", raw_caption=CAPTION)
    counts = lines["out"].drop_nulls().value_counts(sort=True)
    return Found(
        rows=pl.concat([located(clips, options), failed], how="diagonal").lazy(),
        spans=captions.join(spans, on="row", maintain_order="left").drop("row").with_columns(start_s=0.0),
        left_out={**dict(counts.iter_rows()), "duplicate": len(whole) - len(clips)},
    )


def one_file(path: str) -> str:
    files = input_files.list_files(path, {".csv"})
    if len(files) > 1:
        raise InputError(f"input.path={path} has {len(files)} CSV files; name one of them: {', '.join(files[:9])}")
    return files[0]


def marked(table: pl.LazyFrame, file: str, options: Options) -> pl.DataFrame:
    """A row per line: row (from 1), file, video_id, score, duration_s, `out` (filtered by), `wrong` (not readable)."""
    minima = {column: least for name, column in MINIMA.items() if (least := getattr(options, name)) is not None}
    numeric = dict.fromkeys((AESTHETIC, SECONDS, *minima))
    columns = table.collect_schema().names()
    for needed in (FILE, CAPTION, *numeric):
        if needed not in columns:
            raise InputError(f"{file} has no column {needed!r}; it has: {', '.join(columns[1:])}")
    text = {column: pl.col(column).str.strip_chars().replace("", None) for column in (FILE, *numeric)}
    value = {column: text[column].cast(REAL, strict=False) for column in numeric}
    value = {column: pl.when(number.is_finite()).then(number) for column, number in value.items()}
    value[SECONDS] = pl.when(value[SECONDS] > 0).then(value[SECONDS])
    name = text[FILE].str.split("/").list.last().replace("", None)
    out = [pl.when(value[c] < least).then(pl.lit(c)) for c, least in minima.items()]
    out += [pl.when(text[c].is_null()).then(pl.lit(f"no {c}")) for c in minima]
    wrong = [pl.when(name.is_null()).then(pl.lit("video is empty"))]
    wrong += [
        pl.when(text[c].is_not_null() & value[c].is_null()).then(pl.format("{}={}", pl.lit(c), text[c]))
        for c in numeric
    ]
    lines = table.select(
        "row",
        file=name,
        video_id=name.str.replace(r"(.)\.[^.]*$", "$1"),
        score=value[AESTHETIC],
        duration_s=value[SECONDS],
        out=pl.coalesce(*out, pl.lit(None, TEXT)),
        wrong=pl.coalesce(wrong),
    )
    try:
        return lines.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{file} cannot be read as CSV: {error}") from error


def located(clips: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The clips with url and bytes, or the error "missing"; of a name in two zip files the first counts."""
    numbers = list(NUMBERS if options.numbers is None else dict.fromkeys(options.numbers))
    found = look(options, numbers, set(clips["file"]))
    absent = [number for number, members in zip(numbers, found, strict=True) if members is None]
    if absent and (options.numbers is not None or len(absent) == len(numbers)):
        names = " or ".join(options.files).replace("{n}", str(absent[0]))
        raise InputError(f"source.zips={options.zips} has no {names}; say source.zips=… or source.numbers=…")
    table = pl.concat([pl.DataFrame(members or [], MEMBERS, orient="row") for members in found])
    lost = pl.col("url").is_null()
    where = pl.lit(f"in none of the {len(numbers) - len(absent)} zip files of {options.zips}")
    return clips.join(table.unique("file", keep="first"), on="file", how="left", maintain_order="left").select(
        "video_id",
        "source",
        "url",
        "duration_s",
        "bytes",
        error=pl.when(lost).then(pl.lit("missing")),
        error_detail=pl.when(lost).then(pl.format("{} is {}", "file", where)),
    )


def look(options: Options, numbers: list[int], wanted: set[str]) -> list[list[Member] | None]:
    """Of each zip file the wanted members; None of one that is not there."""
    from stages.core.fetch.session import Session
    from stages.core.fetch.web.http import HttpClient

    with TemporaryDirectory() as alone, ThreadPoolExecutor(options.at_once) as pool:
        session = Session(Path(alone), PACE, OPEN)
        return list(
            pool.map(partial(members, HttpClient(session, STALL_S, options.at_once), session, options, wanted), numbers)
        )


def members(
    http: "HttpClient", session: "Session", options: Options, wanted: set[str], number: int
) -> list[Member] | None:
    base = options.zips.rstrip("/") if input_files.is_remote(options.zips) else str(Path(options.zips).absolute())
    for name in options.files:
        zip_address = f"{base}/{name.replace('{n}', str(number))}"
        try:
            listed = after_pauses(http, session, zip_address)
        except ItemError as error:
            if error.code in GONE:
                continue
            raise InputError(f"{zip_address} cannot be read: {error.detail}. {INSTEAD}") from error
        files = ((PurePosixPath(member).name, member, place) for member, place in listed.items())
        return [
            (file, address(member, zip_address, place), place.size) for file, member, place in files if file in wanted
        ]
    return None


def after_pauses(http: "HttpClient", session: "Session", zip_address: str) -> dict[str, MemberLocation]:
    """The directory, for which a host may want some patience."""
    host = zip_address.rpartition("/")[0]
    session.start_video(host)
    while True:
        try:
            found = directory(http, zip_address)
        except ThrottledError as refused:
            session.back_off(host, refused)
        else:
            session.report_success(host)
            return found
