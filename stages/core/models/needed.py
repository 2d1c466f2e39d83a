"""The models that a step needs, before it is submitted: do they exist, can they be had, has the cache room for them?"""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from slurm.errors import InputError


class Needed(NamedTuple):
    """A model, or a file of one, as a config names it: see `find_model` and `find_file` of hub.py."""

    key: str  # "embedding.model="
    name: str
    revision: str | None
    is_file: bool = False
    instead: str = ""  # an alternative to suggest where the Hub cannot be reached
    stand_in: bool = False  # … which the config has chosen
    boxed: bool = False  # loaded in a container, which may have other folders and packages
    tokenizer: bool = False  # its tokenizer alone
    served: bool = False  # loaded by an engine, which finds it by rules of its own and tells what it lacks


class Missing(NamedTuple):
    """What of a model is not in the cache."""

    needed: Needed
    files: Mapping[str, int]  # repository/file → bytes
    cache: Path
    command: str  # downloads it

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    def __str__(self) -> str:
        return f"{self.needed.key}{self.needed.name} ({self.bytes / 1e6:,.1f} MB)"


def check_models(needs: Iterable[tuple[Needed, Mapping[str, str]]]) -> list[Missing]:
    """What of these models is still to be downloaded, each by processes with the environment that stands beside it.

    Raises InputError for a model that cannot be had, and for a cache that has no room for all of them.
    """
    found = [missing for needed, env in needs if (missing := find_missing(needed, env)) is not None]
    for cache in dict.fromkeys(missing.cache for missing in found):
        check_room(cache, [missing for missing in found if missing.cache == cache])
    return found


def check_room(cache: Path, found: Sequence[Missing]) -> None:
    """Raises InputError if the folder cannot be written, or its file system has too little room, as far as df shows."""
    what = f"{', '.join(dict.fromkeys(map(str, found)))}: still to be downloaded into {cache}"
    there = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"{what}, which cannot be written; another folder: cluster.hub_cache=DIR")
    needed_mb = sum(dict(file for missing in found for file in missing.files.items()).values()) / 1e6
    free_mb = shutil.disk_usage(there).free / 1e6
    if free_mb < needed_mb:
        raise InputError(
            f"{what}, which has {free_mb:,.0f} MB free and needs {needed_mb:,.0f}; make room (hf cache ls), or say "
            f"another folder: cluster.hub_cache=DIR"
        )


def find_missing(needed: Needed, env: Mapping[str, str]) -> Missing | None:
    """What of a model is not in the cache; None if nothing is. Raises UnloadableError if it cannot be had."""
    from stages.core.models.hub import UnloadableError, UnreachableError  # here, since huggingface_hub takes 0.2 s

    try:
        return look_for(needed, env)
    except UnloadableError as error:
        if needed.served or (needed.stand_in and isinstance(error, UnreachableError)):
            return None
        raise


def look_for(needed: Needed, env: Mapping[str, str]) -> Missing | None:
    """As `find_missing`, but raises also where the config has chosen what to do then."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    from stages.core.models import hub

    name, key, revision = needed.name, needed.key, needed.revision
    try:
        if hub.find_own_file(name, key) if needed.is_file else hub.find_folder(name, key):
            return None
    except hub.UnloadableError:
        if needed.boxed:
            return None
        raise
    repository, file = hub.split_file(name) if needed.is_file else (name, "")
    patterns, least = ([file], [file]) if file else (hub.MODEL_FILES, ["config.json", "*.safetensors"])
    if needed.tokenizer:
        patterns, least = hub.TOKENIZER_FILES, ["tokenizer_config.json"]
    cache = hub.find_cache(env)
    command = hub.fetch_command(repository, revision, patterns, cache)
    with hub.hub_errors(name, key, command, cache, needed.instead):
        if hub.find_cached(repository, revision, patterns, cache):
            return None
        info = hub.ask_hub(repository, revision, env)
        if info is None:
            if hub.find_cached(repository, revision, patterns, cache, surely=False):
                return None
            raise LocalEntryNotFoundError(repository)
    entries = [entry for entry in info.siblings or [] if any(fnmatch(entry.rfilename, p) for p in patterns)]
    for pattern in least:
        if not any(fnmatch(entry.rfilename, pattern) for entry in entries):
            raise hub.UnloadableError(f"{key}{name}: {repository} has no {pattern} on the Hub")
    blobs = cache / f"models--{repository.replace('/', '--')}" / "blobs"
    files = {
        f"{repository}/{entry.rfilename}": entry.size or 0
        for entry in entries
        if not (blobs / str(entry.lfs.sha256 if entry.lfs else entry.blob_id)).exists()
    }
    return Missing(needed, files, cache, command) if files else None
