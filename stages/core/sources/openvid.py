"""OpenVid-1M: clips in zip files, from its CSV (https://huggingface.co/datasets/nkp37/OpenVid-1M).

The CSV does not tell which zip file contains a clip, so the directories of all are read, about 0.6 MB each. The URL of
a row includes the clip's location in its zip file, so that its download is one request.
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
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.values import cast_column
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
NO_ACCESS_OPTIONS = Access(proxies=None, cookies=None, source_address=None)
STALL_S = 60.0
INSTEAD = "Copies will do: source.zips=DIR with some of the zip files, source.numbers=[…] with their numbers"
Member = tuple[str, str, int]  # as MEMBERS
MEMBERS: Schema = {"file": TEXT, "url": TEXT, "bytes": INT}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Options:
    """Values are in conf/source/openvid.yaml. `files`: possible names of zip file {n}, tried in this order."""

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
    """Raises InputError for bad options; sends no request."""
    input_files.check(path)
    if not input_files.is_remote(options.zips) and not Path(options.zips).is_dir():
        raise InputError(f"source.zips={options.zips}: no such folder (seen from {Path.cwd()})")
    for name in options.files:
        if "{n}" not in name:
            raise InputError(f"source.files: {name!r} must contain {{n}} in place of the number")


def read(path: str, options: Options) -> Catalogue:
    """The clips that reach the minima, each a video with one span, which has its caption and aesthetic score.

    Captions are read only when the spans are written. An unreadable line becomes a failed row "<video id>#<row>".
    """
    check(path, options)
    file = find_csv(path)
    table = tables.scan(file).with_row_index("row", offset=1)
    lines = read_lines(table, file, options).with_columns(source=pl.lit(PurePosixPath(file).stem))
    kept = lines.filter(pl.col("out").is_null())
    readable = kept.filter(pl.col("wrong").is_null())
    clips = readable.unique("video_id", keep="first", maintain_order=True)
    failed = kept.filter(pl.col("wrong").is_not_null()).select(
        pl.format("{}#{}", pl.col("video_id").fill_null(""), "row").alias("video_id"),
        "source",
        error=pl.coalesce("error", pl.lit("bad_value")),
        error_detail=pl.coalesce(pl.format("{}: {}", pl.lit(file), "why"), pl.format("row {}: {}", "row", "wrong")),
    )
    spans = clips.lazy().select("row", "video_id", "source", "score", span_id="video_id", end_s="duration_s")
    captions = table.select("row", raw_caption=CAPTION)
    counts = lines["out"].drop_nulls().value_counts(sort=True)
    return Catalogue(
        rows=pl.concat([add_addresses(clips, options), failed], how="diagonal").lazy(),
        spans=captions.join(spans, on="row", maintain_order="left").drop("row").with_columns(start_s=0.0),
        left_out={**dict(counts.iter_rows()), "duplicate": len(readable) - len(clips)},
    )


def find_csv(path: str) -> str:
    files = input_files.list_files(path, {".csv"})
    if len(files) > 1:
        raise InputError(f"input.path={path} has {len(files)} CSV files; name one of them: {', '.join(files[:9])}")
    return files[0]


def read_lines(table: pl.LazyFrame, file: str, options: Options) -> pl.DataFrame:
    """A row per line: row (from 1), file, video_id, score, duration_s, `out` (filtered by), `wrong` (not readable)."""
    minima = {column: least for name, column in MINIMA.items() if (least := getattr(options, name)) is not None}
    numeric = dict.fromkeys((AESTHETIC, SECONDS, *minima))
    columns = table.collect_schema().names()
    error, why = tables.error_column(columns), tables.why_column(columns)
    for needed in (FILE, CAPTION, *numeric):
        if needed not in columns:
            named = [column for column in columns[1:] if column not in tables.MARKS]
            raise InputError(f"{file} has no column {needed!r}; it has: {', '.join(named)}")
    text = {column: cast_column(column, TEXT, TEXT).str.strip_chars() for column in (FILE, *numeric)}
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
        out=pl.when(error.is_null()).then(pl.coalesce(*out, pl.lit(None, TEXT))),
        wrong=pl.coalesce(*wrong),
        error=error,
        why=why,
    )
    try:
        return lines.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{file} cannot be read as CSV: {error}") from error


def add_addresses(clips: pl.DataFrame, options: Options) -> pl.DataFrame:
    """The clips with url and bytes, or the error "missing"; if two zip files contain a name the first counts."""
    numbers = list(NUMBERS if options.numbers is None else dict.fromkeys(options.numbers))
    by_zip = read_directories(options, numbers, set(clips["file"]))
    absent = [number for number, members in zip(numbers, by_zip, strict=True) if members is None]
    if absent and (options.numbers is not None or len(absent) == len(numbers)):
        names = " or ".join(options.files).replace("{n}", str(absent[0]))
        raise InputError(f"source.zips={options.zips} has no {names}; say source.zips=… or source.numbers=…")
    table = pl.concat([pl.DataFrame(members or [], MEMBERS, orient="row") for members in by_zip])
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


def read_directories(options: Options, numbers: list[int], names: set[str]) -> list[list[Member] | None]:
    """The members named in `names` of each zip file; None for a zip file that does not exist."""
    from stages.core.fetch.session import Session
    from stages.core.fetch.web.http import HttpClient

    with TemporaryDirectory() as alone, ThreadPoolExecutor(options.at_once) as pool:
        session = Session(Path(alone), PACE, NO_ACCESS_OPTIONS)
        return list(
            pool.map(
                partial(list_members, HttpClient(session, STALL_S, options.at_once), session, options, names), numbers
            )
        )


def list_members(
    http: "HttpClient", session: "Session", options: Options, names: set[str], number: int
) -> list[Member] | None:
    base = options.zips.rstrip("/") if input_files.is_remote(options.zips) else str(Path(options.zips).absolute())
    for name in options.files:
        zip_address = f"{base}/{name.replace('{n}', str(number))}"
        try:
            locations = read_directory(http, session, zip_address)
        except ItemError as error:
            if error.code in GONE:
                continue
            raise InputError(f"{zip_address} cannot be read: {error.detail}. {INSTEAD}") from error
        files = ((PurePosixPath(member).name, member, place) for member, place in locations.items())
        return [
            (file, address(member, zip_address, place), place.size) for file, member, place in files if file in names
        ]
    return None


def read_directory(http: "HttpClient", session: "Session", zip_address: str) -> dict[str, MemberLocation]:
    """The directory of a zip file; waits out the pauses that a host asks for."""
    host = zip_address.rpartition("/")[0]
    session.start_video(host)
    while True:
        try:
            locations = directory(http, zip_address)
        except ThrottledError as refused:
            session.back_off(host, refused)
        else:
            session.report_success(host)
            return locations
