"""The catalogue: one row a video, whatever it comes from.

Reads `input.path` as the reader of `source=` does (stages/core/sources/); writes CATALOGUE, the spans that the source
names, and how many rows of the source were left out and why. A line that cannot be read is a row that failed.

    python -m stages.ingest run=NAME input.path=DIR
    python -m stages.ingest run=NAME source=youtube_commons input.path=hf://datasets/PleIAs/YouTube-Commons
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import polars as pl
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.runner.stage import Stage, main
from stages.core.schema.catalogue import CATALOGUE, LEFT_OUT, SPANS
from stages.core.schema.types import TEXT
from stages.core.sources import finevideo, folder, lvd2m, openvid, urls, youtube_commons
from stages.core.sources.catalogue import Catalogue
from stages.core.sources.opt_out import OptOut, is_listed, read_opt_out

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
    """The videos of a folder where the path is one, else a list."""

    name: Literal["auto"]


Source = (
    Auto | folder.Options | urls.Options | youtube_commons.Options | lvd2m.Options | openvid.Options | finevideo.Options
)


@dataclass(frozen=True, config=STRICT)
class Config:
    input: Input
    source: Annotated[Source, Field(discriminator="name")]
    opt_out: OptOut


def reader(config: Config) -> tuple[ModuleType, Source]:
    """The module that reads the source, and its options."""
    if not isinstance(config.source, Auto):
        return READERS[config.source.name], config.source
    if Path(config.input.path).is_dir():
        return folder, folder.Options("folder")
    return urls, urls.Options("urls", column=None, id=None, columns={})


def catalogue(config: Config) -> Catalogue:
    """All videos of the source but those in the opt-out list, by CATALOGUE; each has its own id.

    Raises InputError if there is none. Of wide columns nothing is read yet.
    """
    path, (module, options) = config.input.path, reader(config)
    entries = read_opt_out(config.opt_out.path) if config.opt_out.path else pl.Series(dtype=TEXT)
    try:
        found: Catalogue = module.read(path, options)
        rows = complete(found.rows)
        opted_out = is_listed(entries) if len(entries) else pl.lit(False)
        narrow = rows.select("video_id", opted_out=opted_out).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"input.path={path} cannot be read: {error}") from error
    gone = narrow.filter("opted_out")["video_id"].unique()
    stays = ~pl.col("video_id").is_in(gone.implode())
    ids = narrow.filter(stays)["video_id"]
    left_out = {**found.left_out, "opt_out": len(narrow) - len(ids)}
    check_ids(path, ids, left_out)
    spans = pl.LazyFrame(schema=SPANS) if found.spans is None else found.spans
    return Catalogue(rows.filter(stays), spans.filter(stays), {reason: n for reason, n in left_out.items() if n})


def check_ids(path: str, ids: pl.Series, left_out: Mapping[str, int]) -> None:
    told = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    if told:
        log.info("left out: %s", told)
    if ids.is_empty():
        raise InputError(f"input.path={path}: no video in it{f' but those that were left out: {told}' if told else ''}")
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated())
        raise InputError(f"{path}: {len(twice)} rows share a video id, e.g. {twice[0]!r}; say source.id=…")


def complete(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with all columns of CATALOGUE, and those of errors."""
    there = rows.collect_schema().names()
    schema = {**CATALOGUE, "error": TEXT, "error_detail": TEXT}
    return rows.select(pl.col(c) if c in there else pl.lit(None, kind).alias(c) for c, kind in schema.items())


def run(steps: Mapping[str, Step], config: Config, folder: Path) -> dict[str, pl.DataFrame | pl.LazyFrame]:
    found = catalogue(config)
    left_out = pl.DataFrame(list(found.left_out.items()), schema=LEFT_OUT, orient="row")
    assert found.spans is not None
    return {"rows": found.rows, "spans": found.spans, "left_out": left_out}


def check(config: Config) -> None:
    """What can be told before anything is submitted."""
    module, options = reader(config)
    module.check(config.input.path, options)
    if config.opt_out.path:
        read_opt_out(config.opt_out.path)


STAGE = Stage(
    name="ingest",
    kind="reduce",
    config=Config,
    run=run,
    gives=CATALOGUE,
    key="video_id",
    tables={"spans": SPANS, "left_out": LEFT_OUT},
    check=check,
    files=lambda config: [config.opt_out.path] if config.opt_out.path else [],
)

if __name__ == "__main__":
    main(STAGE)
