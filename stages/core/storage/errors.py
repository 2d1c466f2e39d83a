"""Errors of disks, object stores and the network as ItemErrors, and the retry of what the network broke."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random_exponential

from slurm.errors import ItemError

TRIES = 3  # of a whole transfer; the libraries retry each of its requests themselves
LONGEST_WAIT_S = 30.0

# Exceptions of the libraries behind fsspec that are no OSError, by module. One that is not loaded has raised nothing.
LIBRARY_ERRORS = {
    "aiohttp": "ClientError",
    "azure.core.exceptions": "AzureError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
}

# What libraries that read foreign bytes and addresses raise where those are not what they expect.
LIBRARY_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class ErrorCodes(NamedTuple):
    """The item error codes for a file that does not exist, and for one that we may not access."""

    missing: str
    forbidden: str


@contextmanager
def translate_store_errors(address: str, codes: ErrorCodes) -> Iterator[None]:
    """Turns errors of a remote file system into ItemErrors: one of `codes`, rate_limited, other (a fault of the library
    that reads it), else network.
    """
    try:
        yield
    except store_exceptions() as error:
        status = getattr(error, "status", None)  # of an HTTP response
        code = "rate_limited" if status == 429 else "network"
        if isinstance(error, FileNotFoundError) or status in (404, 410):
            code = codes.missing
        elif isinstance(error, PermissionError) or status in (401, 403) or "Credentials" in type(error).__name__:
            code = codes.forbidden
        raise ItemError(code, hide_passwords(f"{address}: {error}")) from error
    except LIBRARY_FAULTS as error:
        raise ItemError("other", hide_passwords(f"{address}: {type(error).__name__}: {error}")) from error


def store_exceptions() -> tuple[type[Exception], ...]:
    """OSError, and the exception types of the loaded libraries."""
    loaded = [(sys.modules[module], name) for module, name in LIBRARY_ERRORS.items() if module in sys.modules]
    return OSError, *(getattr(module, name) for module, name in loaded)


@contextmanager
def translate_disk_errors(path: object) -> Iterator[None]:
    """Turns an OSError of a local disk into ItemError("disk")."""
    try:
        yield
    except OSError as error:
        raise ItemError("disk", f"{path}: {error.strerror or error}") from error


# A decorator: repeats a function that raised ItemError("network"), with exponential backoff.
retry_network = retry(
    retry=retry_if_exception(lambda error: isinstance(error, ItemError) and error.code == "network"),
    stop=stop_after_attempt(TRIES),
    wait=wait_random_exponential(1.0, LONGEST_WAIT_S),
    reraise=True,
)


def hide_passwords(text: str) -> str:
    """The text without the user:password@ of its URLs."""
    return re.sub(r"(?<=://)[^/@\s]*@", lambda user: "" if ":" in user[0] else user[0], text)
