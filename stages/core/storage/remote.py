"""Addresses that fsspec opens (s3://bucket/a.mp4, gs://…): who reads them, and what goes wrong there in our codes."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from slurm.errors import InputError, ItemError

TRIES = 3  # of a whole transfer; the libraries try each of its requests again themselves
LONGEST_WAIT_S = 30.0

# What the libraries behind fsspec raise besides OSError. One that is not loaded has raised nothing.
FAILURES = {
    "aiohttp": "ClientError",
    "azure.core.exceptions": "AzureError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
}


class Codes(NamedTuple):
    """What it is called when there is nothing at an address, and when we have no right to it."""

    absent: str
    barred: str


def connected(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises ItemError bad_value, InputError without its package."""
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(address)
    except ValueError as error:
        raise ItemError("bad_value", shown(f"{address}: {error}")) from error
    except ImportError as error:
        raise InputError(shown(f"{address}: {package(address.partition('://')[0])[1]}")) from error
    return system, path


def package(scheme: str) -> tuple[str, str]:
    """The package that reads what has this scheme, and how to get it."""
    from fsspec.registry import known_implementations

    name = str(known_implementations[scheme]["class"]).partition(".")[0]
    wanted = "'reelmill[s3]'" if name == "s3fs" else name
    return name, f"it needs the package {name}: pip install {wanted}"


@contextmanager
def told(address: str, codes: Codes) -> Iterator[None]:
    """What the far side or the way to it refuses, as an ItemError."""
    try:
        yield
    except failures() as error:
        status = getattr(error, "status", None)  # of an answer over HTTP
        code = "rate_limited" if status == 429 else "network"
        if isinstance(error, FileNotFoundError) or status in (404, 410):
            code = codes.absent
        elif isinstance(error, PermissionError) or status in (401, 403) or "Credentials" in type(error).__name__:
            code = codes.barred
        raise ItemError(code, shown(f"{address}: {error}")) from error


def failures() -> tuple[type[Exception], ...]:
    loaded = [(sys.modules[module], name) for module, name in FAILURES.items() if module in sys.modules]
    return OSError, *(getattr(module, name) for module, name in loaded)


@contextmanager
def on_disk(path: object) -> Iterator[None]:
    """What the disk refuses, as an ItemError."""
    try:
        yield
    except OSError as error:
        raise ItemError("disk", f"{path}: {error.strerror or error}") from error


again = retry(  # what the network spoiled
    retry=retry_if_exception(lambda error: isinstance(error, ItemError) and error.code == "network"),
    stop=stop_after_attempt(TRIES),
    wait=wait_random_exponential(1.0, LONGEST_WAIT_S),
    reraise=True,
)


def shown(text: str) -> str:
    """The text without the passwords of its addresses."""
    return re.sub(r"(?<=://)[^/@\s]*:[^/@\s]*@", "", text)
