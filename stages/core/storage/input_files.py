"""The files that `input.path` names, local or remote.

/data/lists   lists/*.csv              a local file, folder or glob
hf://datasets/org/name[@rev][/path]    a dataset on the Hugging Face Hub; HF_ENDPOINT and HF_TOKEN count
s3://bucket/lists, https://host/x.csv  any address that fsspec opens
"""

import glob
import logging
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from slurm.errors import InputError
from stages.core.storage.addresses import find_fault
from stages.core.storage.errors import LIBRARY_FAULTS
from stages.core.storage.walk import find_files

log = logging.getLogger("reelmill")

HUB = "hf://"
BLOCK_BYTES = 1 << 20  # read-ahead of a remote file that is read in small pieces


def check(path: str) -> None:
    """Raises InputError if a local path does not exist or an address is malformed; sends no request."""
    if path.startswith(HUB):
        kind, *name = path.removeprefix(HUB).split("/")
        if kind != "datasets" or len(name) < 2 or not all(name[:2]):
            raise InputError(f"input.path={path}: a dataset on the Hub is hf://datasets/org/name[@revision][/path]")
    elif fault := find_fault(path):
        raise InputError(f"input.path={path}: {fault}")
    elif not is_remote(path) and not Path(path).exists() and not local_glob(path):
        raise InputError(f"input.path={path}: no such file or folder (seen from {Path.cwd()})")


def is_remote(path: str) -> bool:
    return "://" in path


def list_files(path: str, suffixes: Collection[str]) -> list[str]:
    """The files with one of these suffixes that the path names, sorted: absolute local paths, or addresses.

    A folder is searched recursively, without hidden files; suffixes match in any case. Raises InputError if none do.
    """
    check(path)
    paths = list_remote(path) if is_remote(path) else list_local(path)
    kept = [file for file in paths if PurePosixPath(file).suffix.lower() in suffixes]
    if not kept:
        raise InputError(f"input.path={path}: no file of these kinds in it: {', '.join(sorted(suffixes))} (any case)")
    if others := count_suffixes(file for file in paths if PurePosixPath(file).suffix.lower() not in suffixes):
        log.info("input.path=%s: not read: %s", path, ", ".join(f"{n:,} {kind}" for kind, n in others.most_common(9)))
    return kept


def count_suffixes(files: Iterable[str]) -> Counter[str]:
    """The number of files by suffix, `*.jpg`; of all without one, or with one that is no word, as `no suffix`."""
    return Counter(
        f"*{suffix}" if re.fullmatch(r"\.[\w-]{1,12}", suffix) else "no suffix"
        for suffix in (PurePosixPath(file).suffix.lower() for file in files)
    )


def list_local(path: str) -> list[str]:
    place = Path(path).absolute()
    if not place.exists():
        files = (Path(file) for file in local_glob(path))  # not of `place`: the working directory is no pattern
        return [str(file.absolute()) for file in files if file.is_file()]
    return [str(file) for file in find_files(place).files if os.path.isfile(file)]  # noqa: PTH113  which raises nothing


def local_glob(path: str) -> list[str]:
    return sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207


def list_remote(path: str) -> list[str]:
    with translate_input_errors(path):
        system, root = file_system(path)
        is_web = path.startswith("http")  # where `?` begins the query, not a pattern
        if glob.has_magic(root) and not is_web:
            paths = system.glob(root)
        else:
            paths = [root] if is_web or system.isfile(root) else system.find(root)
        if not paths:
            raise FileNotFoundError("there is no such file or folder")
    return sorted(str(system.unstrip_protocol(file)) for file in paths)


def file_system(path: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it. Raises InputError."""
    from fsspec.core import url_to_fs

    try:
        system_and_path: tuple[Any, str] = url_to_fs(
            path, **({"endpoint": hub_endpoint()} if path.startswith(HUB) else {})
        )
    except ImportError:
        raise
    except LIBRARY_FAULTS as error:
        raise InputError(f"{path}: {error}") from error
    return system_and_path


def hub_endpoint() -> str:
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def size(file: str) -> int:
    """The size in bytes of a path or address; 0 if a server does not send it. Raises InputError."""
    if not is_remote(file):
        return Path(file).stat().st_size
    with translate_input_errors(file):
        system, root = file_system(file)
        return int(system.size(root) or 0)


@contextmanager
def open_file(file: str, ahead: bool = True) -> Iterator[IO[bytes]]:
    """A path or address, open for reading. Of a remote file only what is read is transferred.

    With `ahead`, whole blocks of BLOCK_BYTES are. Raises InputError if it cannot be read.
    """
    if not is_remote(file):
        with Path(file).open("rb") as local:
            yield local
        return
    cache = {"block_size": BLOCK_BYTES} if ahead else {"cache_type": "none"}
    with translate_input_errors(file):
        system, root = file_system(file)
        with system.open(root, "rb", **cache) as remote:
            yield cast(IO[bytes], remote)


@contextmanager
def translate_input_errors(path: str) -> Iterator[None]:
    """Turns errors of reading into an InputError that says why, and what to do instead."""
    from huggingface_hub import errors

    try:
        yield
    except (OSError, errors.HTTPError, ImportError) as error:  # type: ignore[attr-defined]
        raise InputError(f"{path} cannot be read: {explain(error)}. {suggest_local_copy(path)}") from error


def explain(error: Exception) -> str:
    from huggingface_hub import errors

    refusals = {  # a subclass before its base class
        errors.GatedRepoError: "it has terms of use: accept them on its page, and set HF_TOKEN",
        errors.RevisionNotFoundError: "the dataset has no such revision",
        errors.RepositoryNotFoundError: f"{hub_endpoint()} has no such dataset, or it is private: then set HF_TOKEN",
    }
    for kind, reason in refusals.items():
        if isinstance(error, kind) or isinstance(error.__cause__, kind):
            return reason
    if isinstance(error, errors.HTTPError) and getattr(error, "response", None) is None:  # type: ignore[attr-defined]
        return f"{hub_endpoint()} cannot be reached from here ({error})"
    return str(error).partition("\n")[0].rstrip(".")


def suggest_local_copy(path: str) -> str:
    """A sentence on how to use a local copy instead."""
    if not path.startswith(HUB):
        return "A local copy will do: input.path=DIR"
    name = "/".join(path.removeprefix(HUB).split("/")[1:3]).partition("@")[0]
    return (
        f"A local copy will do: `hf download {name} --repo-type dataset --local-dir DIR` on a machine that reaches "
        f"the Hub, then input.path=DIR"
    )
