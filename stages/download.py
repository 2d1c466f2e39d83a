"""Every video of the catalogue as a file, fetched so that it survives the real web: restartable, paced, probed.

Reads the catalogue's `path`, `url` and what it knows of a video, and its table `spans` where only these are wanted;
writes a row a video (FETCHED from the file itself, ABOUT from its site, else from the catalogue), and the tables
subtitles (SUBTITLES) and info (INFO). A row that could not be fetched says why; `python -m slurm resume` tries those
again that may pass.

    python -m stages.download run=NAME
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import TRANSIENT, ItemError
from slurm.task.attempt import Output
from stages.core.fetch.result import FetchedVideo
from stages.core.fetch.settings import Access, Formats, Limits, Pace, Spans, Store, Subtitles
from stages.core.runner.stage import Stage, main
from stages.core.runner.work import Rows
from stages.core.schema.catalogue import ABOUT
from stages.core.schema.download import FETCHED, INFO, SUBTITLES
from stages.core.schema.types import REAL, TEXT, Row
from stages.core.storage.addresses import classify_address

if TYPE_CHECKING:
    from stages.core.fetch.session import Session
    from stages.core.fetch.web.http import HttpClient
    from stages.core.storage.store import Store as Place

CONNECTIONS = 32  # to a host, that are kept


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """Values are in conf/download.yaml."""

    formats: Formats
    subtitles: Subtitles
    spans: Spans
    limits: Limits
    store: Store
    pace: Pace
    access: Access


def download_video(row: Row, config: Config, root: str, shared: Path) -> dict[str, list[Row]]:
    """The video's rows, once its file and the record of it are whole in the store below `root`.

    `shared` is a folder in which the run's workers tell each other of their pace. Raises ItemError by class (see
    slurm/errors.py), UnavailableError when a host wants more pauses than the config grants.
    """
    from stages.core.fetch import record
    from stages.core.storage.store import Store as Place

    place, video_id, address = Place(root), str(row["video_id"]), str(row["path"] or row["url"] or "")
    if not address:
        raise ItemError("missing", "the catalogue has neither a path nor a URL")
    tables = record.load(place, video_id, address)
    if tables is None:
        try:
            tables = stored(row, address, place, config, shared)
        except ItemError:  # perhaps because another try (of a node that was lost, of another run) was faster
            tables = record.load(place, video_id, address)
            if tables is None:
                raise
    known = {column: row[column] for column in ABOUT}
    told = {column: value for column, value in tables["rows"][0].items() if value is not None}
    return {**tables, "rows": [{**known, **told}]}


def stored(row: Row, address: str, place: "Place", config: Config, shared: Path) -> dict[str, list[Row]]:
    """The rows of a video that is fetched and put into the store."""
    from stages.core.fetch import record
    from stages.core.fetch.probe import probe
    from stages.core.storage.errors import hide_passwords

    video_id = str(row["video_id"])
    with place.work_folder(video_id) as folder:
        try:
            fetched = fetch(row, address, folder, config, shared)
            facts = {**fetched.about, **probe(fetched.file, config.limits, fetched.sha256)}
        except ItemError as error:
            if error.code not in TRANSIENT:  # what is there of it is of no use
                place.remove_work(video_id)
            raise ItemError(error.code, error.detail.replace(f"{folder}/", f"{hide_passwords(address)} → ")) from error
        facts |= {
            "path": place.address(fetched.file, video_id),
            "kind": classify_address(address),
            "offset_s": fetched.offset_s,
        }
        tables = {"rows": [facts], "subtitles": fetched.subtitles, "info": [fetched.info] if fetched.info else []}
        record.save(place, video_id, address, tables)
        place.put(fetched.file, video_id)  # the last act: now the record counts
        place.remove_work(video_id)
    return tables


def fetch(row: Row, address: str, folder: Path, config: Config, shared: Path) -> FetchedVideo:
    """The video in a folder of its own, by the method of its kind of address. A host that wants a pause gets it."""
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
            found = ask(row, address, folder, config, session)
        except ThrottledError as refused:
            session.back_off(host, refused)
        else:
            session.report_success(host)
            return found


def host_of(address: str) -> str:
    """Who is asked for it: the host of a web address, else its scheme (all of hf:// is one)."""
    parts = urlsplit(address)
    return parts.hostname or address if parts.scheme in ("http", "https") else parts.scheme


def ask(row: Row, address: str, folder: Path, config: Config, session: "Session") -> FetchedVideo:
    """One try. Raises ItemError by class, ThrottledError where the host wants a pause."""
    from stages.core.fetch.sites import site
    from stages.core.fetch.web import zips
    from stages.core.storage import transfer

    kind, limits = classify_address(address), config.limits
    if kind == "site":
        span = None if row["from_s"] is None else (float(str(row["from_s"])), float(str(row["to_s"])))
        wishes: dict[str, Any] = {"formats": config.formats, "subtitles": config.subtitles, "limits": limits}
        return site.fetch(address, folder, span=span, session=session, **wishes)
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
    """The process's connections to web servers."""
    from stages.core.fetch.web.http import HttpClient

    return HttpClient(session, stall_s, CONNECTIONS)


def run(rows: Rows, config: Config) -> Iterator[Output]:
    # files of other wishes lie elsewhere, those of the same wishes are found by any run that shares the store
    wishes = json.dumps([asdict(config.formats), asdict(config.subtitles), asdict(config.spans)])
    root = f"{config.store.root or rows.folder}/{sha256(wishes.encode()).hexdigest()[:8]}"
    given = (config, root, rows.folder.parent / "pace")
    kind = pl.coalesce("path", "url").map_elements(classify_address, TEXT)
    table = with_spans(rows, config.spans).with_columns(kind=kind, staged=pl.lit(None, TEXT))
    yield from rows.each(download_video, *given, table=table.filter(pl.col("kind").ne_missing("cell")))
    if len(cells := table.filter(kind="cell")):
        yield from run_cells(rows, cells, *given)


def run_cells(rows: Rows, cells: pl.DataFrame, config: Config, root: str, shared: Path) -> Iterator[Output]:
    """The videos that lie in cells: those of a Parquet file are staged by this process, then worked on as all are."""
    from stages.core.fetch.session import Session
    from stages.core.storage.store import Store as Place

    place = Place(root)
    with place.work_folder(rows.name) as folder, closing(Session(shared, config.pace, config.access)) as session:
        for group in by_file(cells):
            staged: dict[str, Path | ItemError] = {}
            for key, found in stage(group, place, folder, session):
                if rows.stopping:  # what is staged stays there for the next attempt
                    return
                staged[key] = found
            bad = {key: found for key, found in staged.items() if isinstance(found, ItemError)}
            yield from (rows.failed(row, bad[row["video_id"]]) for row in group.to_dicts() if row["video_id"] in bad)
            paths = {key: str(found) for key, found in staged.items() if key not in bad}
            staged_at = pl.col("video_id").replace_strict(paths, default=None, return_dtype=TEXT)
            good = group.filter(~pl.col("video_id").is_in(list(bad))).with_columns(staged=staged_at)
            yield from rows.each(download_video, config, root, shared, table=good)
        if not rows.stopping:
            place.remove_work(rows.name)


def by_file(cells: pl.DataFrame) -> list[pl.DataFrame]:
    """The cells of each Parquet file, which is read through once for all of them."""
    from stages.core.fetch.web.cells import file_of

    file = pl.coalesce("path", "url").map_elements(file_of, TEXT)
    return cells.with_columns(file=file).partition_by("file", maintain_order=True, include_key=False)


def stage(
    cells: pl.DataFrame, place: "Place", folder: Path, session: "Session"
) -> Iterator[tuple[str, "Path | ItemError"]]:
    """The files in `folder`, by video id, of those cells whose videos the store does not have; or what is wrong."""
    from stages.core.fetch import record
    from stages.core.fetch.web.cells import extract_cells

    addresses = dict(cells.select("video_id", pl.coalesce("path", "url")).iter_rows())
    missing = {key: address for key, address in addresses.items() if record.load(place, key, address) is None}
    return extract_cells(missing, folder, turn=lambda file: session.wait_turn(host_of(file)))


def with_spans(rows: Rows, spans: Spans) -> pl.DataFrame:
    """The rows with `from_s` and `to_s`, the moments between which the video is wanted; null: all of it."""
    if not spans.only:
        return rows.table.with_columns(from_s=pl.lit(None, REAL), to_s=pl.lit(None, REAL))
    first, last = pl.col("start_s").min() - spans.margin_s, pl.col("end_s").max() + spans.margin_s
    wanted = rows.side("spans").group_by("video_id").agg(from_s=first.clip(lower_bound=0.0), to_s=last)
    return rows.table.join(wanted, on="video_id", how="left", maintain_order="left")


def check(config: Config) -> None:
    """What can be told before anything is submitted."""
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
    needs=("path", "url", *ABOUT),
    reads=("spans",),
    tables={"subtitles": SUBTITLES, "info": INFO},
    check=check,
    ways=("pace", "access"),
)

if __name__ == "__main__":
    main(STAGE)
