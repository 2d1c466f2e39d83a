"""Files that lie ready: local ones linked, those of object stores and the like brought here, those of the Hub named."""

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any
from uuid import uuid4

from slurm.errors import ItemError
from stages.core.storage.begun import SYNC_BYTES
from stages.core.storage.kinds import SUFFIXES
from stages.core.storage.remote import Codes, again, connected, on_disk, shown, told

BLOCK_BYTES = SYNC_BYTES
TAGS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "last_modified")  # what changes with the file, by store
WANTED = Codes(absent="removed", barred="private")


def link(path: str, folder: Path) -> Path:
    """A link in `folder` to a local file, which stays where it is.

    Raises ItemError: missing, unreadable (not a regular file, no permission, input or output error), empty, disk.
    """
    source = Path(path).absolute()
    try:
        facts = source.stat()
        if not S_ISREG(facts.st_mode):  # a pipe would hang whoever reads it
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
    with on_disk(linked):
        linked.unlink(missing_ok=True)
        linked.symlink_to(source)
    return linked


def hub_url(address: str) -> tuple[str, dict[str, str]]:
    """Where the Hub has the file of hf://[datasets/]org/name[@revision]/path, and the headers that open it.

    HF_ENDPOINT and HF_TOKEN count; the token is in the headers alone. Raises ItemError bad_value.
    """
    from huggingface_hub import constants, hf_hub_url, parse_hf_uri
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    try:
        uri = parse_hf_uri(address)
    except ValueError as error:
        raise ItemError("bad_value", f"{address}: {error}") from error
    if uri.is_bucket or not uri.path_in_repo:
        raise ItemError("bad_value", f"{address}: not a file of a repository, hf://datasets/org/name[@revision]/path")
    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")
    url = hf_hub_url(uri.id, uri.path_in_repo, repo_type=uri.type, revision=uri.revision, endpoint=endpoint)
    return url, build_hf_headers()


@again
def fetch_files(address: str, folder: Path, max_bytes: int | None, codes: Codes = WANTED) -> Path:
    """The whole file at an address, in `folder`.

    Until it is whole it lies in a `.part`, and the next call goes on with that where the store tells (by an ETag or
    the like) that it still has the same. Raises ItemError: one of `codes`, empty, too_large, disk, network, bad_value.
    """
    with told(address, codes):
        system, path = connected(address)
        facts = system.info(path)
    where, size = shown(address), facts["size"]
    if facts["type"] != "file":
        raise ItemError(codes.absent, f"{where}: a folder")
    if not size:
        raise ItemError("empty" if size == 0 else "other", f"{where}: {size} bytes, as the store says")
    if max_bytes is not None and size > max_bytes:
        raise ItemError("too_large", f"{where}: {size} bytes, and {max_bytes} are allowed")
    tag = next((facts[name] for name in TAGS if facts.get(name)), uuid4())  # unknown: never the same
    part = folder / f"{sha256(f'{address} {size} {tag}'.encode()).hexdigest()[:16]}.part"
    with on_disk(folder):
        for other in set(folder.glob("*.part")) - {part}:
            other.unlink(missing_ok=True)
        part.touch()
        begun, free = part.stat().st_size // BLOCK_BYTES * BLOCK_BYTES, shutil.disk_usage(folder).free
        if size - begun > free:
            raise ItemError("disk", f"{folder}: {free >> 20} MiB are free, {size - begun >> 20} MiB more are needed")
        with part.open("r+b") as out:  # not to append: who fetches the same at once writes the same to the same place
            out.seek(begun)
            for block in _blocks(address, system, path, begun, codes):
                out.write(block)
                out.flush()
                os.fdatasync(out.fileno())  # a node that dies must not leave a hole below what is there
            if out.tell() != size:
                raise ItemError("network", f"{where}: {out.tell()} of {size} bytes came")
        suffix = PurePosixPath(path).suffix.lower()
        return part.replace(folder / f"video{suffix if suffix in SUFFIXES else ''}")


def _blocks(address: str, system: Any, path: str, start: int, codes: Codes) -> Iterator[bytes]:
    """The bytes from `start` on."""
    with told(address, codes), system.open(path, "rb", block_size=BLOCK_BYTES, cache_type="none") as source:
        source.seek(start)
        while block := source.read(BLOCK_BYTES):
            yield block
