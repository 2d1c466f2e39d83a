"""What the Hub answers and does not, in words that say what mends it; and another try where that may help."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from slurm.errors import UnavailableError

TRIES = 5
PASSING = {408, 425, 429, 500, 502, 503, 504}  # the same request may be answered the next time
GO_ON = "the same command goes on where it was; upload=false only writes the dataset here"
T = TypeVar("T")


def patiently(call: Callable[[], T], tries: int = TRIES) -> T:
    """What the call gives; it is tried again where the Hub or the network failed in passing.

    So it must be one that does no harm when it was done already and only its answer was lost.
    """
    again = Retrying(
        retry=retry_if_exception(is_passing),
        stop=stop_after_attempt(tries),
        wait=wait_exponential(multiplier=0.5, max=20),
        reraise=True,
    )
    return again(call)


def is_passing(error: BaseException | None) -> bool:
    """Whether an error may be gone the next time: of the network, or of a server that is busy or broken."""
    while error is not None:
        if isinstance(error, OfflineModeIsEnabled):
            return False
        if isinstance(error, HfHubHTTPError):
            return status_of(error) in PASSING
        if isinstance(error, HTTPError | TimeoutError | ConnectionError):
            return True
        error = error.__cause__ or error.__context__
    return False


def status_of(error: HfHubHTTPError) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


@contextmanager
def explained(repo: str, endpoint: str) -> Iterator[None]:
    """Turns errors of the Hub into an UnavailableError that says why, and what to do."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise UnavailableError(
            f"{repo}: HF_HUB_OFFLINE=1 forbids to ask the Hub; upload=false writes the dataset here"
        ) from error
    except (HTTPError, RuntimeError, ValueError, OSError) as error:
        raise UnavailableError(f"{repo}: {explain(error, endpoint)}") from error


def explain(error: Exception, endpoint: str) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, HTTPError):
        cause = cause.__cause__ or cause.__context__
    if not isinstance(cause, HTTPError):
        return f"{type(error).__name__}: {error}".strip()
    if not isinstance(cause, HfHubHTTPError):
        return f"{endpoint} cannot be reached from here ({type(cause).__name__}: {cause}); {GO_ON}"
    status, words = status_of(cause), (cause.server_message or str(cause)).strip().partition("\n")[0]
    if status == 401 or (isinstance(cause, RepositoryNotFoundError) and not isinstance(cause, GatedRepoError)):
        return f"{endpoint} does not know the token, or shows it no such dataset ({status}: {words}); {token()}"
    if status == 403:
        return (
            f"the token may not write there ({words}): it needs the right to, and its owner to be of the organization"
        )
    if status in PASSING:
        return f"{endpoint} fails again and again ({status}: {words}); {GO_ON}"
    return f"{endpoint} refused ({status}: {words})"


def token() -> str:
    where = "that of HF_TOKEN" if os.environ.get("HF_TOKEN") else "that of `hf auth login`"
    return f"the token is {where}"
