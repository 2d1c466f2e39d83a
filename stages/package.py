"""Packs what is left into a dataset that others load as it is: shards, an index of their rows, checksums.

Reads the files of its rows (`path`, or `clip_path` behind cut; none for a table), and of the columns for which the
format has a place whatever a step before gives; writes shards into its folder `media`, and a row for each of its rows
(PACKED). A file that is gone, or is another one than when it was measured, fails its row and no other.

    python -m stages.package run=NAME format=finevideo
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.release.settings import Format, Positive
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.release import PACKED
from stages.core.schema.types import TEXT, Row
from stages.core.storage.spill import Tables

if TYPE_CHECKING:
    from stages.core.release.media import Item
    from stages.core.release.shards import Shard


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/package.yaml and conf/format/."""

    format: Format
    shard_gb: Positive


def needs(config: Config) -> dict[str, str]:
    from stages.core.release.formats import FORMATS

    form = config.format
    media = {form.media: f"format.media={form.media}"} if form.media else {}
    return {**media, **FORMATS[form.name].needs(form)}


def takes(config: Config) -> tuple[str, ...]:
    """What a file is held against, and what the format has a place for."""
    from stages.core.release.formats import FORMATS

    # the sha256 of rows that are clips is that of their video
    measured = {"path": ("bytes", "sha256"), "clip_path": ("bytes",), None: ()}[config.format.media]
    return (*measured, *FORMATS[config.format.name].takes(config.format))


def takes_lists(config: Config) -> tuple[str, ...]:
    """What the format has a place for of each frame that was looked at."""
    from stages.core.release.formats import FORMATS

    form = FORMATS[config.format.name]
    return form.takes_lists(config.format) if hasattr(form, "takes_lists") else ()


def check(config: Config) -> None:
    """Raises InputError for a condition that is none, or such buckets."""
    from stages.core.release.formats import FORMATS

    if hasattr(form := FORMATS[config.format.name], "check"):
        form.check(config.format)


def fits(config: Config, types: Mapping[str, str]) -> None:
    """Raises InputError for a column that is no text, number, date, or list of these, or captions that are no text."""
    captions: str | None = getattr(config.format, "caption_column", None)
    texts = ("String", "List(String)") if config.format.name == "trainer" else ("String",)
    if captions is not None and types[captions] not in texts:
        raise InputError(f"format.caption_column={captions}: it is of type {types[captions]}, not text")
    for name, kind in types.items():
        if "Binary" in kind:
            raise InputError(f"format.columns: {name} is of type {kind}, which JSON has not")


def run(rows: Rows, config: Config) -> Iterator[Output]:
    from stages.core.release.formats import FORMATS
    from stages.core.release.media import size_of
    from stages.core.release.shards import Shard, remove_others, spans_of

    key, media = rows.keys[0], config.format.media
    if media == "path" and key != "video_id":
        raise InputError(
            f"its rows are named by {key}, and format.media=path is one file a video: say format.media=clip_path "
            f"behind cut, or after=STEP, a step with a row a video"
        )
    sizes = [size_of(item) for item in items_of(rows.all, key, media)]
    spans = spans_of(rows.folder, rows.chunk, sizes, config.shard_gb * 1e9)
    shards = [Shard(rows.folder, rows.chunk, n, FORMATS[config.format.name].SUFFIX) for n in range(len(spans))]
    tables = [rows.all[span.start : span.stop] for span in spans]
    left = rows.table[key].implode()
    jobs: list[Row] = [
        {"name": shard.name, "shard": shard, "table": table}
        for shard, table in zip(shards, tables, strict=True)
        if table[key].is_in(left).any()
    ]
    finished = 0
    for result in rows.give(pack_shard, jobs, config, key):
        of_shard = cast(pl.DataFrame, result.row["table"]).filter(pl.col(key).is_in(left)).select(rows.keys)
        if result.error is not None:
            for row in of_shard.to_dicts():
                yield rows.failed(row, ItemError(result.error, result.detail or ""))
            continue
        finished += 1
        made = pl.DataFrame(result.tables["rows"], {key: TEXT, **PACKED, "error": TEXT, "error_detail": TEXT})
        table = of_shard.join(made, on=key, how="left", maintain_order="left")
        yield Output(table[key].to_list(), {"rows": table}, failed=len(table) - table["error"].null_count())
    if finished == len(jobs):
        remove_others(rows.folder, rows.chunk, shards)


def close_chunk(rows: Rows, outputs: Iterator[Output], config: Config) -> Iterator[Output]:
    """The outputs of a chunk; then, once all its rows are done, what its format makes of them together (`close`).

    The rows of a chunk may be done before its files are together: a task that was killed between goes on here.
    """
    from stages.core.release.formats import FORMATS

    left = len(rows.table)
    for output in outputs:
        left -= len(output.keys)
        yield output
    if not left and hasattr(form := FORMATS[config.format.name], "close"):
        form.close(rows.folder, rows.chunk, rows.chunks, config.format)


def pack_shard(job: Row, config: Config, key: str) -> Tables:
    """Writes a shard; gives a row for each of its rows, with `error` where it is not in there."""
    from stages.core.release.formats import FORMATS

    shard, table = cast("Shard", job["shard"]), cast(pl.DataFrame, job["table"])
    items = items_of(table, key, config.format.media)
    results = FORMATS[config.format.name].pack(shard, items, table, config.format)
    made: list[Row] = []
    for item, result in zip(items, results, strict=True):
        if isinstance(result, ItemError):
            made.append({key: item.key, "error": result.code, "error_detail": result.detail})
        elif isinstance(result, str):
            made.append({key: item.key, "drop_reason": result})
        else:
            place = {"shard": result["file"], "shard_path": str(shard.folder / result["file"])}
            made.append({key: item.key, **place, "media_bytes": result["bytes"], "media_sha256": result["sha256"]})
    return {"rows": made}


def items_of(table: pl.DataFrame, key: str, media: str | None) -> "list[Item]":
    """The file of each row, and what is known of it."""
    from stages.core.release.media import Item

    columns = {"key": key, "address": media, "bytes": "bytes", "sha256": "sha256"}
    known = table.select(pl.col(name).alias(field) for field, name in columns.items() if name in table.columns)
    return [Item(**{"address": None, "bytes": None, **row}) for row in known.iter_rows(named=True)]


STAGE = Stage(
    name="package",
    kind="map",
    config=Config,
    run=run,
    gives=PACKED,
    needs=needs,
    takes=takes,
    takes_lists=takes_lists,
    fits=fits,
    check=check,
    missing={
        "path": "format.media=path is the file of a video, which ingest or download gives",
        "clip_path": "let cut run before it, or say format.media=path for whole videos",
    },
    watch=close_chunk,
    media="shard_path",
    shows="media",
)

if __name__ == "__main__":
    main(STAGE)
