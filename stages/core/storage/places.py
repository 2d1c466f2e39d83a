"""The files that `input.path` names.

/data/lists   lists/*.csv              a local file, folder or glob
hf://datasets/org/name[@rev][/path]    a dataset on the Hugging Face Hub; HF_ENDPOINT and HF_TOKEN count
s3://bucket/lists, https://host/x.csv  whatever fsspec opens
"""

import glob
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from slurm.errors import InputError

HUB = "hf://"
BLOCK_BYTES = 1 << 20  # asked for at once where a remote file is read little by little


def check(path: str) -> None:
    """Raises InputError if a local path is not there, or an address is none; asks no server."""
    if path.startswith(HUB):
        kind, *name = path.removeprefix(HUB).split("/")
        if kind != "datasets" or len(name) < 2 or not all(name[:2]):
            raise InputError(f"input.path={path}: a dataset on the Hub is hf://datasets/org/name[@revision][/path]")
    elif not is_remote(path) and not Path(path).exists() and not local_glob(path):
        raise InputError(f"input.path={path}: no such file or folder (seen from {Path.cwd()})")


def is_remote(path: str) -> bool:
    return "://" in path


def files(path: str, suffixes: Collection[str]) -> list[str]:
    """The files with one of these suffixes that the path names, sorted: absolute local paths, or addresses.

    Of a folder all those below it but hidden ones; a suffix counts in any case. Raises InputError if there is none.
    """
    check(path)
    found = remote_files(path) if is_remote(path) else local_files(path)
    kept = [file for file in found if PurePosixPath(file).suffix.lower() in suffixes]
    if not kept:
        raise InputError(f"input.path={path}: no file of these kinds in it: {', '.join(sorted(suffixes))} (any case)")
    return kept


def local_files(path: str) -> list[str]:
    place = Path(path).absolute()
    if not place.exists():
        return [file for file in local_glob(str(place)) if Path(file).is_file()]
    if not place.is_dir():
        return [str(place)]
    below = ((file, file.relative_to(place).parts) for file in sorted(place.rglob("*")))
    return [str(file) for file, parts in below if not any(part.startswith(".") for part in parts) and file.is_file()]


def local_glob(path: str) -> list[str]:
    return sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207


def remote_files(path: str) -> list[str]:
    with readable(path):
        system, root = file_system(path)
        is_web = path.startswith("http")  # a `?` begins a query there
        if glob.has_magic(root) and not is_web:
            found = system.glob(root)
        else:
            found = [root] if is_web or system.isfile(root) else system.find(root)
        if not found:
            raise FileNotFoundError("there is no such file or folder")
    return sorted(str(system.unstrip_protocol(file)) for file in found)


def file_system(path: str) -> tuple[Any, str]:
    """What reads an address, and its own name for it."""
    from fsspec.core import url_to_fs

    try:
        found: tuple[Any, str] = url_to_fs(path, **({"endpoint": hub()} if path.startswith(HUB) else {}))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return found


def hub() -> str:
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def size(file: str) -> int:
    """The bytes of one of `files`; 0 where a server does not tell."""
    if not is_remote(file):
        return Path(file).stat().st_size
    with readable(file):
        system, root = file_system(file)
        return int(system.size(root) or 0)


@contextmanager
def opened(file: str, ahead: bool = True) -> Iterator[IO[bytes]]:
    """One of `files`, open; of a remote one only what is read travels, and with `ahead` what follows in its block.

    Raises InputError if it cannot be read.
    """
    if not is_remote(file):
        with Path(file).open("rb") as local:
            yield local
        return
    cache = {"block_size": BLOCK_BYTES} if ahead else {"cache_type": "none"}
    with readable(file):
        system, root = file_system(file)
        with system.open(root, "rb", **cache) as remote:
            yield cast(IO[bytes], remote)


@contextmanager
def readable(path: str) -> Iterator[None]:
    """Whatever a server refuses as an InputError that says why and what to do instead."""
    from huggingface_hub import errors

    try:
        yield
    except (OSError, errors.HTTPError, ImportError) as error:  # type: ignore[attr-defined]
        raise InputError(f"{path} cannot be read: {why(error)}. {instead(path)}") from error


def why(error: Exception) -> str:
    from huggingface_hub import errors

    refusals = {  # the first is also of the third kind
        errors.GatedRepoError: "its owner lets in who accepted its terms: do so on its page, and set HF_TOKEN",
        errors.RevisionNotFoundError: "the dataset has no such revision",
        errors.RepositoryNotFoundError: f"there is no such dataset on {hub()}, or it is private: then set HF_TOKEN",
    }
    for kind, told in refusals.items():
        if isinstance(error, kind) or isinstance(error.__cause__, kind):
            return told
    if isinstance(error, errors.HTTPError) and getattr(error, "response", None) is None:  # type: ignore[attr-defined]
        return f"{hub()} cannot be reached from here ({error})"
    return str(error).partition("\n")[0].rstrip(".")


def instead(path: str) -> str:
    """How to do without the net."""
    if not path.startswith(HUB):
        return "A local copy will do: input.path=DIR"
    name = "/".join(path.removeprefix(HUB).split("/")[1:3]).partition("@")[0]
    return (
        f"A local copy will do: `hf download {name} --repo-type dataset --local-dir DIR` on a machine that reaches "
        f"the Hub, then input.path=DIR"
    )
