"""As whom a task goes out to the net: its proxy, its cookies and its source address, each taken from lists in turn.

The files that the config names are read where they lie. What they hold is written nowhere: not in run directories, not
in logs, not in messages.
"""

import logging
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from slurm.errors import InputError
from stages.core.fetch.settings import Access

PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
SECRET_CHARS = 4  # shorter values of cookies are settings, and stand in every other text

log = logging.getLogger("reelmill")


@dataclass(frozen=True, repr=False)
class Identity:
    """`proxy` is a URL and may hold a password; `cookies` is the text of a cookies.txt. None: there is none."""

    proxy: str | None = None
    cookies: str | None = None
    source_address: str | None = None

    def redacted(self, text: str) -> str:
        """The text without the user and password of any URL, and without those of the proxy and values of cookies."""
        text = re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
        known = sorted(set(self._secrets()), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, known)), "***", text) if known else text

    def _secrets(self) -> Iterator[str]:
        if self.proxy:
            user, _, password = (urlsplit(self.proxy).netloc.rpartition("@")[0]).partition(":")
            if user:
                yield b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
            for word in (user, password):
                yield from {word, unquote(word)} - {""}
        for line in (self.cookies or "").splitlines():
            *_, value = line.split("\t") if line.count("\t") == 6 else [""]
            if len(value) >= SECRET_CHARS:
                yield from (value, quote(value, safe=""), unquote(value))


def check(access: Access) -> None:
    """Raises InputError for what would fail in every task; warns of cookies that others on the machine can read."""
    if access.proxies is not None:
        proxies(access.proxies)
    if access.cookies is not None:
        for path in cookie_files(access.cookies):
            text_of(path, "access.cookies")
            if path.stat().st_mode & 0o004:
                log.warning("access.cookies: everybody can read %s: chmod 600 mends it", path)


def identity(access: Access) -> Identity:
    """This task's turn: another line than its neighbours have, and the next one after it was requeued."""
    turn = int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")) + int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    proxy = cookies = None
    if access.proxies is not None:
        given = proxies(access.proxies)
        proxy = given[turn % len(given)]
    if access.cookies is not None:
        files = cookie_files(access.cookies)
        cookies = text_of(files[turn % len(files)], "access.cookies")
    return Identity(proxy, cookies, source_address(access))


def proxies(path: str) -> list[str]:
    """The URLs in a file, one a line; a line without a scheme is an http proxy."""
    lines = text_of(Path(path), "access.proxies").splitlines()
    found = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        url = line if "://" in line else f"http://{line}"
        if not is_proxy(url):
            raise InputError(
                f"access.proxies: line {number} of {path} is no proxy; "
                f"it must look like http://user:password@host:port (or {', '.join(PROXIES[1:])})"
            )
        found.append(url)
    if not found:
        raise InputError(f"access.proxies: no proxy in {path}; it wants one URL a line")
    return found


def is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in PROXIES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, a torn address in brackets
        return False


def cookie_files(path: str) -> list[Path]:
    """The cookies.txt itself, or the .txt files of a folder in the order of their names."""
    place = Path(path)
    if not place.is_dir():
        return [place]
    found = sorted(place.glob("*.txt"))
    if not found:
        raise InputError(f"access.cookies: no .txt file in the folder {path}")
    return found


def text_of(path: Path, key: str) -> str:
    """The text of a file that a key of the config names."""
    node = os.uname().nodename
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{key}: {path} cannot be read on {node}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    if not text.strip():
        raise InputError(f"{key}: {path} has no text in it")
    return text


def source_address(access: Access) -> str | None:
    """The local address that this node sends from; None: whichever the system takes."""
    if not isinstance(access.source_address, dict):
        return access.source_address
    node = os.environ.get("SLURMD_NODENAME", os.uname().nodename)
    if node not in access.source_address:
        raise InputError(
            f"access.source_address names no address for node {node}, only for: {', '.join(access.source_address)}"
        )
    return access.source_address[node]
