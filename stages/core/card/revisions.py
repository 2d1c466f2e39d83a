"""The versions of a dataset: what each changed, and how many rows came and went.

A release holds the list of its versions (`revisions.json`) and the ids of its rows (`attribution.parquet`); the next
one is held against these: those on the Hub, else those that the step made last, of which it keeps

    history/revisions.json        the list
    history/<version>.parquet     hashes of the ids of its newest version, with a salt of the step's own (history/salt)

Rows that are gone are counted, never named: who was taken out of a dataset is in no card, and not here either.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from slurm.errors import InputError
from slurm.record.files import replacing, write_once
from stages.core.card.settings import Version

FILE = "revisions.json"
ROWS_FILE = "attribution.parquet"


class Revision(NamedTuple):
    version: str
    date: str
    change: str
    rows: int
    added: int
    removed: int


class Former(NamedTuple):
    """What a dataset was before: its versions, the newest last, and the hashes of its rows."""

    revisions: list[Revision]
    hashes: set[str]
    configs: frozenset[str] = frozenset()


def hash_rows(rows: pl.DataFrame, salt: str) -> set[str]:
    """A hash of each row's config and id."""
    named = rows.select("config", "id").iter_rows()
    return {hashlib.sha256("\0".join((salt, *both)).encode(errors="replace")).hexdigest()[:32] for both in named}


def read_salt(history: Path) -> str:
    salt: str = write_once(history / "salt", secrets.token_hex(16))
    return salt


def read_history(history: Path) -> Former:
    """What the step made last."""
    if not (history / FILE).exists():
        return Former([], set())
    revisions = read_revisions((history / FILE).read_text())
    return Former(revisions, set(pl.read_parquet(history / f"{revisions[-1].version}.parquet")["hash"]))


def keep_history(history: Path, revisions: Sequence[Revision], hashes: Iterable[str]) -> None:
    """Makes this the version that the next one is held against."""
    newest = revisions[-1].version
    with replacing(history / f"{newest}.parquet") as temporary:
        pl.DataFrame({"hash": sorted(hashes)}, {"hash": pl.String()}).write_parquet(temporary)
    with replacing(history / FILE) as temporary:
        temporary.write_text(write_revisions(revisions))
    for other in history.glob("*.parquet"):
        if other.stem != newest:
            other.unlink()


def read_published(folder: Path, salt: str) -> Former:
    """What a release that lies in a folder is; nothing where it is none."""
    if not (folder / FILE).exists():
        return Former([], set())
    rows = pl.read_parquet(folder / ROWS_FILE)
    return Former(read_revisions((folder / FILE).read_text()), hash_rows(rows, salt), frozenset(rows["config"]))


def read_revisions(text: str) -> list[Revision]:
    """Raises InputError for a list that another program wrote."""
    try:
        return [Revision(**one) for one in json.loads(text)]
    except (TypeError, ValueError) as error:
        raise InputError(f"{FILE}: the versions before this one cannot be read: {error}") from error


def add_revision(former: Former, version: Version, hashes: set[str], replace: bool) -> list[Revision]:
    """All versions, with this one. Raises InputError if its name belongs to other rows, or the versions before it to
    another dataset that it is not to replace.
    """
    if former.hashes and not former.hashes & hashes and not replace:
        raise InputError(
            f"the dataset that is there, version {former.revisions[-1].version}, has none of these rows, and "
            f"{len(former.hashes)} others: say another hub.repo= (or step=), or hub.replace=true to take its place"
        )
    added, removed = len(hashes - former.hashes), len(former.hashes - hashes)
    now = Revision(version.name, str(version.date or ""), version.change, len(hashes), added, removed)
    names = [revision.version for revision in former.revisions]
    if version.name not in names:
        return [*former.revisions, now]
    if names[-1] != version.name or added or removed:
        raise InputError(
            f"version.name={version.name} is published already, and this is another dataset: {added} rows are new "
            f"since version {names[-1]}, {removed} are gone; say version.name=OTHER version.change=TEXT"
        )
    same = former.revisions[-1]._replace(date=now.date, change=now.change)  # the same rows, described anew
    return [*former.revisions[:-1], same]


def write_revisions(revisions: Sequence[Revision]) -> str:
    return json.dumps([revision._asdict() for revision in revisions], ensure_ascii=False, indent=1) + "\n"
