"""Downloads every video of the catalogue, with resume of partial downloads, a rate limit, and checks of each file.

Reads the catalogue's `path`, `url` and metadata, and its table `spans` if only spans are to be fetched. Writes a row
per video (FETCHED from the file itself, ABOUT from its site, else from the catalogue), and the tables subtitles
(SUBTITLES) and info (INFO). A failed row has an error code; `python -m slurm resume` retries the transient ones.

    python -m stages.download run=NAME
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import TRANSIENT, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.fetch.result import FetchedVideo
from stages.core.fetch.settings import Access, Formats, Limits, Pace, Spans, Store, Subtitles
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.download import FETCHED, INFO, SUBTITLES
from stages.core.schema.types import REAL, TEXT, Row
from stages.core.storage.addresses import classify_address, find_fault, host_of, is_local, kind_if_usable

if TYPE_CHECKING:
    from stages.core.fetch.session import Session
    from stages.core.fetch.web.http import HttpClient
    from stages.core.storage.store import Store as MediaStore

CONNECTIONS = 32  # kept open per host


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/stage/download.yaml."""

    formats: Formats
    subtitles: Subtitles
    spans: Spans
    limits: Limits
    store: Store
    pace: Pace
    access: Access


def download_video(row: Row, config: Config, root: str, shared: Path) -> dict[str, list[Row]]:
    """The rows of a video, by table, after its file and record are complete in the store at `root`.

    Through files in the folder `shared` the run's workers share their request rate. Raises ItemError by class (see
    slurm/errors.py), UnavailableError after `pace.back_offs` pauses of a host in a row.
    """
    from stages.core.fetch import record
    from stages.core.storage.errors import hide_passwords
    from stages.core.storage.store import Store as MediaStore

    store, video_id, address = MediaStore(root), str(row["video_id"]), str(row["path"] or row["url"] or "")
    if not address:
        raise ItemError("missing", "the catalogue has neither a path nor a URL")
    if is_local(address) and not config.access.local:
        raise ItemError("not_allowed", f"{address[:200]}: access.local=false")
    if fault := find_fault(address):
        raise ItemError("bad_value", hide_passwords(f"{address[:200]}: {fault}"))
    tables = record.load(store, video_id, address)
    if tables is None:
        try:
            tables = fetch_into_store(row, address, store, config, shared)
        except ItemError:  # maybe another attempt (on a lost node, or of another run) has finished meanwhile
            tables = record.load(store, video_id, address)
            if tables is None:
                raise
    elif tables["rows"][0].get("loss"):
        tables = fetch_lost(row, store, tables, config, shared)
    known = {column: row.get(column) for column in ABOUT}  # a catalogue of an older version has fewer columns
    fetched = {column: value for column, value in tables["rows"][0].items() if value is not None}
    return {**tables, "rows": [{**known, **fetched}]}


def fetch_item(item: Row, config: Config, root: str, shared: Path) -> dict[str, list[Row]]:
    """Downloads the video of a row, or extracts `cells`: one function for both, since a worker has but one."""
    from stages.core.fetch.web.staging import Staging, extract

    if "cells" not in item:
        return download_video(item, config, root, shared)
    folder = Path(str(item["folder"]))
    return extract(item, Staging(root, folder, shared, config.pace, config.access, config.limits.max_bytes))


def fetch_into_store(row: Row, address: str, store: "MediaStore", config: Config, shared: Path) -> dict[str, list[Row]]:
    """Fetches a video and puts its file and record into the store; returns its rows, by table. Raises ItemError."""
    from stages.core.fetch import record
    from stages.core.fetch.probe import probe
    from stages.core.storage.errors import hide_passwords

    video_id = str(row["video_id"])
    with store.work_folder(video_id) as folder:
        try:
            fetched = fetch(row, address, folder, config, shared)
            facts = {**fetched.about, **probe(fetched.file, config.limits, fetched.sha256)}
        except ItemError as error:
            if error.code not in TRANSIENT:  # the partial files are of no use
                store.remove_work(video_id)
            raise ItemError(error.code, error.detail.replace(f"{folder}/", f"{hide_passwords(address)} → ")) from error
        facts |= {
            "path": store.address(fetched.file, video_id),
            "kind": classify_address(address),
            "offset_s": fetched.offset_s,
        }
        tables = fetched.tables(facts)
        record.save(store, video_id, address, tables)
        store.put(fetched.file, video_id)  # last, since this makes the record count
        store.remove_work(video_id)
    return tables


def fetch_lost(
    row: Row, store: "MediaStore", tables: dict[str, list[Row]], config: Config, shared: Path
) -> dict[str, list[Row]]:
    """The rows of a video in the store whose subtitles were lost, with them if they can be had by now; its file stays.

    Where they cannot be had for ever, the loss is a note.
    """
    from stages.core.fetch import record

    video_id, address, before = str(row["video_id"]), str(row["path"] or row["url"]), tables["rows"][0]
    with store.work_folder(video_id) as folder:
        try:
            fetched = fetch(row, address, folder, config, shared, only_subtitles=True)
            words = {column: fetched.about[column] for column in ("transcript", "words")}
            tables = fetched.tables({**before, **words})
        except ItemError as error:
            if error.code in TRANSIENT:
                return tables
            notes = [*(before.get("notes") or ()), f"subtitles: {error.detail}"]  # type: ignore[misc]
            tables = {**tables, "rows": [{**before, "loss": None, "notes": notes}]}
        record.save(store, video_id, address, tables)
        store.remove_work(video_id)
    return tables


def fetch(
    row: Row, address: str, folder: Path, config: Config, shared: Path, *, only_subtitles: bool = False
) -> FetchedVideo:
    """Fetches a video into `folder`, by the kind of its address; retries after the pauses that a host asks for.

    Raises ItemError by class, UnavailableError.
    """
    from stages.core.fetch.session import get_session
    from stages.core.fetch.throttled import ThrottledError
    from stages.core.storage import transfer

    kind = classify_address(address)
    if kind == "local":
        return FetchedVideo(transfer.link_file(address, folder))
    if kind == "cell":
        return FetchedVideo(Path(str(row["staged"])))
    session = get_session(shared, config.pace, config.access)
    host = host_of(address.partition("::")[2] if kind == "zip" else address)
    session.start_video(host)
    while True:
        try:
            fetched = fetch_once(row, address, folder, config, session, only_subtitles=only_subtitles)
        except ThrottledError as refused:
            session.back_off(host, refused)
        else:
            session.report_success(host)
            return fetched


def fetch_once(
    row: Row, address: str, folder: Path, config: Config, session: "Session", *, only_subtitles: bool = False
) -> FetchedVideo:
    """One attempt. Raises ItemError by class, ThrottledError if the host asks for a pause."""
    from stages.core.fetch.sites import site
    from stages.core.fetch.web import zips
    from stages.core.storage import transfer

    kind, limits = classify_address(address), config.limits
    if kind == "site":
        span = None if row["from_s"] is None else (float(str(row["from_s"])), float(str(row["to_s"])))
        options: dict[str, Any] = {"formats": config.formats, "subtitles": config.subtitles, "limits": limits}
        options["only_subtitles"] = only_subtitles
        return site.fetch(address, folder, span=span, session=session, **options)
    if kind == "files":
        return FetchedVideo(transfer.download_file(address, folder, limits.max_bytes))
    name = zips.parse(address)[0] if kind == "zip" else urlsplit(address).path
    file = folder / f"video{PurePosixPath(name).suffix.lower()}"
    if kind == "zip":
        return FetchedVideo(zips.fetch(client(session, limits.stall_s), address, file, limits.max_bytes))
    url, headers = transfer.resolve_hub_url(address) if kind == "hub" else (address, {})
    saved = client(session, limits.stall_s).save(url, file, limits.max_bytes, headers)
    return FetchedVideo(saved.file, sha256=saved.sha256)


@cache
def client(session: "Session", stall_s: float) -> "HttpClient":
    """The HTTP client of this process."""
    from stages.core.fetch.web.http import HttpClient

    return HttpClient(session, stall_s, CONNECTIONS)


def run(rows: Rows, config: Config) -> Iterator[Output]:
    # files fetched with other options are kept apart; runs that share the store and the options share the files
    options = json.dumps([asdict(config.formats), asdict(config.subtitles), asdict(config.spans)])
    root = f"{config.store.root or rows.folder}/{sha256(options.encode()).hexdigest()[:8]}"
    arguments = (config, root, rows.folder.parent / "pace")
    kind = pl.coalesce("path", "url").map_elements(lambda a: kind_if_usable(a, local=config.access.local), TEXT)
    table = with_spans(rows, config.spans).with_columns(kind=kind, staged=pl.lit(None, TEXT))
    yield from rows.each(fetch_item, *arguments, table=table.filter(pl.col("kind").ne_missing("cell")))
    if len(cells := table.filter(kind="cell")):
        yield from run_cells(rows, cells, *arguments)


def run_cells(rows: Rows, cells: pl.DataFrame, config: Config, root: str, shared: Path) -> Iterator[Output]:
    """Downloads videos in cells of Parquet files: a worker extracts those of one file, then all of them go on.

    Where a worker dies over the cells of a file, each is extracted by itself.
    """
    from stages.core.fetch.web.staging import STAGED
    from stages.core.storage.store import Store as MediaStore

    store = MediaStore(root)
    with store.work_folder(rows.name) as folder:
        for group in by_file(cells):
            addresses = dict(group.select("video_id", pl.coalesce("path", "url")).iter_rows())
            found: dict[str, Row] = {}
            for alone in (False, True):
                left = {key: address for key, address in addresses.items() if key not in found}
                parts = [{key: left[key]} for key in left] if alone else [left]
                jobs: list[Row] = [{"name": str(folder), "cells": part, "folder": folder} for part in parts]
                for result in rows.give(fetch_item, jobs, config, root, shared):
                    found |= {str(row["video_id"]): row for row in cast(list[Row], result.tables.get("rows", []))}
                    if result.error and (alone or len(left) == 1):
                        key = next(iter(cast(dict[str, str], result.row["cells"])))
                        found[key] = {"video_id": key, "error": result.error, "error_detail": result.detail}
                if rows.stopping:  # extracted files are kept for the next attempt
                    return
            staged = pl.DataFrame(list(found.values()), dict.fromkeys(("video_id", *STAGED), TEXT))
            table = group.drop("staged").join(staged, on="video_id", maintain_order="left")
            for row in table.filter(pl.col("error").is_not_null()).to_dicts():
                yield rows.failed(row, ItemError(row["error"], row["error_detail"] or ""))
            good = table.filter(pl.col("error").is_null()).drop("error", "error_detail")
            yield from rows.each(fetch_item, config, root, shared, table=good)
        if not rows.stopping:
            store.remove_work(rows.name)


def by_file(cells: pl.DataFrame) -> list[pl.DataFrame]:
    """The cells grouped by Parquet file, so that each file is read once."""
    from stages.core.fetch.web.cells import file_of

    file = pl.coalesce("path", "url").map_elements(file_of, TEXT)
    return cells.with_columns(file=file).partition_by("file", maintain_order=True, include_key=False)


def with_spans(rows: Rows, spans: Spans) -> pl.DataFrame:
    """The rows with `from_s` and `to_s`, the span to fetch in seconds of the video; null: all of it."""
    if not spans.only:
        return rows.table.with_columns(from_s=pl.lit(None, REAL), to_s=pl.lit(None, REAL))
    first, last = pl.col("start_s").min() - spans.margin_s, pl.col("end_s").max() + spans.margin_s
    ranges = rows.side("spans").group_by("video_id").agg(from_s=first.clip(lower_bound=0.0), to_s=last)
    return rows.table.join(ranges, on="video_id", how="left", maintain_order="left")


def check(config: Config) -> None:
    """Raises InputError for what would fail in every task, before anything is submitted."""
    from stages.core.fetch import access
    from stages.core.storage import store

    access.check(config.access)
    if config.store.root is not None:
        store.check(config.store.root)


STAGE = Stage(
    name="download",
    kind="map",
    config=Config,
    run=run,
    gives={**FETCHED, **ABOUT},
    needs=("path", "url"),
    takes=tuple(ABOUT),
    reads=("spans",),
    tables={"subtitles": SUBTITLES, "info": INFO},
    check=check,
    runtime_keys=("pace", "access"),
)

if __name__ == "__main__":
    main(STAGE)
