"""Builds the catalogue: one row per video, from any source.

Reads `input.path` with the reader of `source=` (stages/core/sources/). Writes CATALOGUE, the spans of the source, and
the number of excluded rows by reason. An unreadable line becomes a failed row.

    python -m stages.ingest run=NAME input.path=DIR
    python -m stages.ingest run=NAME source=youtube_commons input.path=hf://datasets/PleIAs/YouTube-Commons
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.removals import Ledger
from stages.core.command_line.start import main
from stages.core.runner.stage import Former, Stage
from stages.core.schema.catalogue import CAPTION_ROWS, CAPTIONS, CATALOGUE, LEFT_OUT, SPANS
from stages.core.schema.types import INT, TEXT
from stages.core.sources import finevideo, folder, lvd2m, openvid, urls, youtube_commons
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.opt_out import OptOut, is_listed, is_removed, read_opt_out
from stages.core.storage.addresses import VIDEO_SUFFIXES, find_fault
from stages.core.storage.input_files import is_remote, local_glob
from stages.core.text.alarms.settings import Alarms

SAMPLE = "sample"  # the input where none is named
STRICT = ConfigDict(extra="forbid")
READERS: dict[str, ModuleType] = {
    "folder": folder,
    "urls": urls,
    "youtube_commons": youtube_commons,
    "lvd2m": lvd2m,
    "openvid": openvid,
    "finevideo": finevideo,
}

log = logging.getLogger("reelmill")


@dataclass(frozen=True, config=STRICT)
class Input:
    path: str


@dataclass(frozen=True, config=STRICT)
class Auto:
    """`folder` if the path is a folder, a video, or a pattern of these; else `urls`."""

    name: Literal["auto"]


Source = (
    Auto | folder.Options | urls.Options | youtube_commons.Options | lvd2m.Options | openvid.Options | finevideo.Options
)


@dataclass(frozen=True, config=STRICT)
class Config:
    input: Input
    source: Annotated[Source, Field(discriminator="name")]
    opt_out: OptOut
    alarms: Alarms  # that captions of the source raise


def reader(config: Config) -> tuple[ModuleType, Source]:
    """The module that reads the source, and its options."""
    if not isinstance(config.source, Auto):
        return READERS[config.source.name], config.source
    path = config.input.path
    places = [path] if Path(path).exists() or is_remote(path) else local_glob(path)
    if any(Path(place).is_dir() or Path(place).suffix.lower() in VIDEO_SUFFIXES for place in places):
        return folder, folder.Options("folder")
    return urls, urls.Options("urls", column=None, id=None, columns={})


def read_catalogue(config: Config, run: Path | None = None) -> Catalogue:
    """All videos of the source, with the columns of CATALOGUE and unique ids.

    Left out are those in the opt-out list, and those that were taken out of the run.

    Wide columns are not read yet. Raises InputError, also if there is no video.
    """
    path, (module, options) = config.input.path, reader(config)
    entries = read_opt_out(config.opt_out.path) if config.opt_out.path else pl.Series(dtype=TEXT)
    try:
        source: Catalogue = module.read(path, options)
        rows = complete(source.rows).with_columns(*named_faults())
        opted_out = is_listed(entries) if len(entries) else pl.lit(False)
        removed = is_removed(Ledger(run)) if run else pl.lit(False)
        narrow = rows.select("video_id", opted_out=opted_out | removed).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"input.path={path} cannot be read: {error}") from error
    excluded = narrow.filter("opted_out")["video_id"].unique()
    kept = ~pl.col("video_id").is_in(excluded.implode())
    ids = narrow.filter(kept)["video_id"]
    left_out = {**source.left_out, "opt_out": len(narrow) - len(ids)}
    check_ids(path, ids, left_out)
    spans = pl.LazyFrame(schema=SPANS) if source.spans is None else source.spans
    return Catalogue(rows.filter(kept), spans.filter(kept), {reason: n for reason, n in left_out.items() if n})


def check_ids(path: str, ids: pl.Series, left_out: Mapping[str, int]) -> None:
    counts = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    if counts:
        log.info("left out: %s", counts)
    if ids.is_empty():
        raise InputError(f"input.path={path}: no video in it{f' except those left out: {counts}' if counts else ''}")
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())
        raise InputError(f"{path}: {len(twice)} rows share a video id, e.g. {twice[0]!r}; say source.id=…")


def complete(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with all columns of CATALOGUE, and `error` and `error_detail`; missing columns are null."""
    present = rows.collect_schema().names()
    schema = {**CATALOGUE, "error": TEXT, "error_detail": TEXT}
    return rows.select(pl.col(c) if c in present else pl.lit(None, kind).alias(c) for c, kind in schema.items())


def named_faults() -> tuple[pl.Expr, pl.Expr]:
    """`error` and `error_detail`, also of rows whose address can be that of no file or page."""
    plain = r"^https?://[A-Za-z0-9.-]+/[^\x00]*$"  # most of them: found without a call of Python for each
    faults = [
        pl.when(~pl.col("url").str.contains(plain)).then("url").map_elements(find_fault, TEXT),
        pl.when(~pl.col("path").str.contains(r"^[^\x00:]{1,60}$")).then("path").map_elements(find_fault, TEXT),
    ]
    why = pl.coalesce(
        pl.format("{}: {}", pl.col(name).str.slice(0, 200), fault)
        for name, fault in zip(("url", "path"), faults, strict=True)
    )
    known = pl.col("error").is_not_null()
    return (
        pl.when(known).then("error").when(why.is_not_null()).then(pl.lit("bad_value")).alias("error"),
        pl.when(known).then("error_detail").otherwise(why).alias("error_detail"),
    )


def read_ids(config: Config, run: Path) -> pl.Series:
    """The ids of all videos that the source has now."""
    return read_catalogue(config, run).rows.select("video_id").collect(engine="streaming").to_series()


def run(
    steps: Mapping[str, Step], config: Config, folder: Path, former: Former
) -> dict[str, pl.DataFrame | pl.LazyFrame]:
    """The tables of the catalogue; in an extension, those of the videos that the run does not have yet."""
    catalogue = read_catalogue(config, folder.parent)
    assert catalogue.spans is not None
    rows = catalogue.rows.with_columns(extension=pl.lit(former.extension, INT))
    spans, left_out = with_caption_rows(catalogue.spans), catalogue.left_out
    if former.tables:
        known = former.tables["rows"].select("video_id").collect().to_series()
        new = ~pl.col("video_id").is_in(known.implode())
        rows, spans = rows.filter(new), spans.filter(new)
        counted = dict(former.tables["left_out"].group_by("reason").agg(pl.col("rows").sum()).collect().iter_rows())
        left_out = {reason: more for reason, n in left_out.items() if (more := n - counted.get(reason, 0)) > 0}
    tell_alarms(spans, config, former)
    table = pl.DataFrame(list(left_out.items()), schema=LEFT_OUT, orient="row")
    return {"rows": rows, "spans": spans, "left_out": table}


def with_caption_rows(spans: pl.LazyFrame) -> pl.LazyFrame:
    """The spans with CAPTION_ROWS, of the captions that the source has."""
    from stages.core.text.alarms.count import count_texts

    return count_texts(spans, [caption for caption in CAPTIONS if caption in spans.collect_schema()])


def tell_alarms(spans: pl.LazyFrame, config: Config, former: Former) -> None:
    """Counts the captions that raise an alarm, and warns of them. Raises AlarmError for too many."""
    from stages.core.text.alarms.find import find_alarms
    from stages.core.text.alarms.tell import refuse_more, tell

    there = [column for column in config.alarms.columns if column in spans.collect_schema()]
    settings = replace(config.alarms, columns=there)
    alarms = find_alarms(spans, "span_id", settings)
    tell(alarms, {alarm.column: alarm.of for alarm in alarms if alarm.kind == "same" and alarm.of}, former)
    refuse_more(alarms, settings)


def check(config: Config) -> None:
    """Raises InputError for a bad source or opt-out list, before anything is submitted."""
    if not config.input.path:
        raise InputError("input.path: say where the videos are, or a list of them: input.path=PLACE")
    if config.input.path == SAMPLE and not Path(SAMPLE).exists():
        raise InputError(f"input.path={SAMPLE}: `make sample` makes it; or say where your videos are: input.path=PLACE")
    module, options = reader(config)
    module.check(config.input.path, options)
    if config.opt_out.path:
        read_opt_out(config.opt_out.path)


STAGE = Stage(
    name="ingest",
    kind="reduce",
    config=Config,
    run=run,
    gives={**CATALOGUE, "extension": INT},  # of the run, by which the row came; 0: from the start
    key="video_id",
    tables={"spans": {**SPANS, **CAPTION_ROWS}, "left_out": LEFT_OUT},
    check=check,
    continues=True,
    ids=read_ids,
    files=lambda config: [config.opt_out.path] if config.opt_out.path else [],
)

if __name__ == "__main__":
    main(STAGE)
