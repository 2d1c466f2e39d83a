"""Transfers of files: local ones are linked, those of fsspec stores downloaded, addresses of the Hub resolved."""

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any
from uuid import uuid4

from slurm.errors import ItemError
from stages.core.storage.addresses import VIDEO_SUFFIXES
from stages.core.storage.errors import (
    LIBRARY_FAULTS,
    ErrorCodes,
    hide_passwords,
    retry_network,
    translate_disk_errors,
    translate_store_errors,
)
from stages.core.storage.partial import SYNC_BYTES
from stages.core.storage.remote import open_source_system

BLOCK_BYTES = SYNC_BYTES
TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "mtime",
    "last_modified",
)  # version tags of a file in the info of various stores
SOURCE_CODES = ErrorCodes(missing="removed", forbidden="private")


def link_file(path: str, folder: Path) -> Path:
    """A symbolic link in `folder` to a local file.

    Raises ItemError: missing, unreadable (not a regular file, no permission, input or output error), empty, disk.
    """
    source = Path(path).absolute()
    try:
        facts = source.stat()
        if not S_ISREG(facts.st_mode):  # reading a pipe would hang
            raise ItemError("unreadable", f"{path}: not a regular file")
        with source.open("rb") as content:
            content.read(1)
    except FileNotFoundError as error:
        raise ItemError("missing", path) from error
    except (OSError, ValueError) as error:
        raise ItemError("unreadable", f"{path}: {error}") from error
    if facts.st_size == 0:
        raise ItemError("empty", path)
    linked = folder / f"video{source.suffix}"
    with translate_disk_errors(linked):
        linked.unlink(missing_ok=True)
        linked.symlink_to(source)
    return linked


def resolve_hub_url(address: str) -> tuple[str, dict[str, str]]:
    """The URL of hf://[datasets/]org/name[@revision]/path on the Hub, and the request headers for it.

    HF_ENDPOINT and HF_TOKEN apply; the token is only in the headers. Raises ItemError bad_value.
    """
    from huggingface_hub import constants, hf_hub_url, parse_hf_uri
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    try:
        uri = parse_hf_uri(address)
    except LIBRARY_FAULTS as error:
        raise ItemError("bad_value", f"{address}: {error}") from error
    if uri.is_bucket or not uri.path_in_repo:
        raise ItemError("bad_value", f"{address}: not a file of a repository, hf://datasets/org/name[@revision]/path")
    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
    url = hf_hub_url(uri.id, uri.path_in_repo, repo_type=uri.type, revision=uri.revision, endpoint=endpoint)
    return url, build_hf_headers()


@retry_network
def download_file(address: str, folder: Path, max_bytes: int | None, codes: ErrorCodes = SOURCE_CODES) -> Path:
    """Downloads the whole file at an address that fsspec opens to `folder`.

    Until it is complete it is kept in a `.part` file; the next call resumes from that if the store shows (by an ETag or
    the like) that the file is unchanged. Raises ItemError: one of `codes`, empty, too_large, disk, network, bad_value.
    """
    with translate_store_errors(address, codes):
        system, path = open_source_system(address)
        facts = system.info(path)
        size = facts["size"]
    where = hide_passwords(address)
    if facts["type"] != "file":
        raise ItemError(codes.missing, f"{where}: a folder")
    if not size:
        raise ItemError("empty" if size == 0 else "other", f"{where}: the store gives its size as {size} bytes")
    if max_bytes is not None and size > max_bytes:
        raise ItemError("too_large", f"{where}: {size} bytes are more than the {max_bytes} allowed")
    tag = next((facts[name] for name in TAGS if facts.get(name)), uuid4())  # unknown: never resumed
    part = folder / f"{sha256(f'{address} {size} {tag}'.encode()).hexdigest()[:16]}.part"
    with translate_disk_errors(folder):
        for other in set(folder.glob("*.part")) - {part}:
            other.unlink(missing_ok=True)
        part.touch()
        done, free = part.stat().st_size // BLOCK_BYTES * BLOCK_BYTES, shutil.disk_usage(folder).free
        if size - done > free:
            raise ItemError("disk", f"{folder}: {free >> 20} MiB are free, {size - done >> 20} MiB more are needed")
        with part.open(
            "r+b"
        ) as out:  # not append mode: a process that downloads the same file writes the same bytes to the same place
            out.seek(done)
            for block in _blocks(address, system, path, done, codes):
                out.write(block)
                out.flush()
                os.fdatasync(out.fileno())  # so that a crash of the node leaves no hole below the file's end
            if out.tell() != size:
                raise ItemError("network", f"{where}: {out.tell()} of {size} bytes arrived")
        suffix = PurePosixPath(path).suffix.lower()
        return part.replace(folder / f"video{suffix if suffix in VIDEO_SUFFIXES else ''}")


def _blocks(address: str, system: Any, path: str, start: int, codes: ErrorCodes) -> Iterator[bytes]:
    """The bytes from `start` on."""
    with (
        translate_store_errors(address, codes),
        system.open(path, "rb", block_size=BLOCK_BYTES, cache_type="none") as source,
    ):
        source.seek(start)
        while block := source.read(BLOCK_BYTES):
            yield block
