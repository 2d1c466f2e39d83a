"""The errors that a person is meant to read: what is wrong, where, and the key or command that mends it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("reelmill")


class ReelmillError(Exception):
    """Base of every error with a message for the user; a command that meets one prints it and exits with status 2."""


class InputError(ReelmillError):
    """A key, path, run or file given by the user is wrong."""


class ClusterError(ReelmillError):
    """Slurm is not installed, does not answer, or refused a request."""


class UnavailableError(ReelmillError):
    """A site or server that the chunk needs is unavailable; retrying later may succeed."""


class SpentError(ReelmillError):
    """The run's budget is spent: nothing more is asked of model servers until somebody raises it."""


class ChunkError(ReelmillError):
    """A chunk failed; its attempt has recorded why."""


class AlarmError(ReelmillError):
    """More of a step's rows than its config allows have what alarms: the rest of them is not made."""


class TooEarlyError(ChunkError):
    """None of a task's chunks could be begun yet: what they need is not there."""


def check_name(key: str, name: str, place: Path) -> None:
    """Raises an InputError that names the key, unless `name` can be that of a directory in `place`."""
    if not name or "/" in name or name.startswith("."):
        raise InputError(f"{key}={name!r} is not the name of a directory in {place}/")


@contextmanager
def reported(tell: Callable[[Exception], object]) -> Iterator[None]:
    """Reports any exception raised inside with `tell`, then raises a ChunkError. The one place that catches all."""
    try:
        yield
    except Exception as error:
        log.exception("failed")
        tell(error)
        raise error if isinstance(error, ChunkError) else ChunkError(f"{type(error).__name__}: {error}") from error


def is_disk_full(error: BaseException) -> bool:
    """Whether it is about a file system or a quota that is full, in the words of Python, polars or ffmpeg."""
    return any(words in str(error) for words in ("No space left on device", "Disk quota exceeded"))


class ItemError(Exception):
    """One item of a chunk is bad: it becomes a row with `error` set, and the chunk goes on.

    `code` is one of `ITEM_CODES`; `detail` says what exactly was met.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        if code not in ITEM_CODES:
            raise ValueError(f"unknown item error code {code!r}: add it to slurm.errors.ITEM_CODES")
        super().__init__(code, detail)  # both in args, so that it survives a pickle
        self.code = code
        self.detail = detail


ITEM_CODES: dict[str, str] = {
    "item_crashed": "its worker process died twice (segmentation fault, out of memory, kill)",
    "item_timeout": "it took longer than items.timeout_s",
    "bad_line": "a line of its catalogue cannot be read (torn, a quote that is not closed, too many fields)",
    "bad_value": "a value in its line of the catalogue cannot be read",
    "missing": "the file is not there",
    "changed": "the file is another one than when it was measured",
    "unreadable": "the file cannot be opened (permissions, input or output error)",
    "not_downloaded": "the row has a URL and no local file",
    "empty": "the file has zero bytes; of a model's answer: there are no words in it",
    "corrupt": "not a readable media container, or too little of it can be decoded",
    "hidden_frames": "its edit list hides frames, and readers differ in what they show of it",
    "encrypted": "its packets are encrypted, and nobody here has the key",
    "no_video": "there is no video stream (audio or cover picture only)",
    "no_frames": "the video stream gave no frame",
    "no_spans": "its catalogue names no span of it: split borders=spans has nothing to make a clip of",
    "too_large": "more pixels, seconds or bytes than the limits in the config",
    "too_long": "the site says that it lasts longer than the limits in the config",
    "encode_failed": "ffmpeg could not write the clip",
    "removed": "the site does not have it any more, or never had",
    "private": "its owner or the server lets nobody in",
    "opted_out": "its server asks not to use it (X-Robots-Tag)",
    "not_allowed": "a file of this machine, which access.local=false does not allow",
    "members_only": "for paying members only",
    "age_restricted": "the site wants to know who asks: cookies of an account may help",
    "geo_blocked": "not shown in the country that the request came from: a proxy elsewhere may help",
    "live": "a stream that has not ended, or not begun",
    "no_format": "the site has no format that the config asks for",
    "bot_check": "the site takes us for a robot: fresh cookies, other proxies, fewer requests a second",
    "site_failed": "the site or its extractor fails for now (reload the page, use another app, try again later)",
    "rate_limited": "the site answered that we ask too often",
    "network": "the connection failed, or the server did",
    "bad_stream": "the site's stream is broken: its list, or pieces of it, are missing or of an unknown kind",
    "disk": "the file could not be written",
    "no_words": "nothing is known of it in words (title, description, transcript)",
    "off_taxonomy": "the model's answer is none of the categories",
    "prompt_refused": "the model server takes no such prompt (too long, a picture that it cannot read)",
    "scene_times": "the times of the annotation's scenes cannot be read",
    "scene_overlap": "scenes of the annotation overlap, and nothing tells where one ends",
    "scene_gap": "scenes of the annotation leave a gap that cannot be closed",
    "scene_shift": "a scene of the annotation lies too far from where it could be",
    "no_answer": "the model failed over it several times",
    "refused": "the model would not answer",
    "truncated": "the model's answer was longer than allowed, so it is none",
    "invalid_json": "the model's answer is no JSON",
    "schema": "the model's answer has not the form that was asked for",
    "wrong_language": "the model answered in another language",
    "repetition": "the model's answer goes round in circles",
    "misfit": "what was found of it fits no column of its table",
    "unknown": "the site refused it in words that are not known here: they are in error_detail",
    "other": "the download failed in a way that has no name here, and would again",
}

# Parts of an item that could not be had for now, in the column `loss` of a good row. `resume` tries them again.
LOSSES = {"subtitles_failed": "its subtitles could not be fetched for now"}

# Transient errors: `resume` retries them. All others are final unless retry=CODE asks for them.
TRANSIENT = {"live", "bot_check", "rate_limited", "site_failed", "network", "disk", "unknown", *LOSSES}
