"""The identity of a task on the net: its proxy, cookies and source address, taken from the config's lists in turn.

The files that the config names are read in place and never copied. Their content is secret: it is not written to run
directories, logs or messages.
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
SECRET_CHARS = 4  # shorter cookie values are settings, and would match in ordinary text

log = logging.getLogger("reelmill")


@dataclass(frozen=True, repr=False)
class Identity:
    """`proxy` is a URL and may contain a password; `cookies` is the text of a cookies.txt. None: not used."""

    proxy: str | None = None
    cookies: str | None = None
    source_address: str | None = None

    def redact(self, text: str) -> str:
        """The text with secrets replaced by ***: users and passwords in URLs, those of the proxy, cookie values."""
        text = re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
        secrets = sorted(set(self._secrets()), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, secrets)), "***", text) if secrets else text

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
    """Raises InputError for what would fail in every task; warns of cookie files that other users can read."""
    if access.proxies is not None:
        read_proxies(access.proxies)
    if access.cookies is not None:
        for path in list_cookie_files(access.cookies):
            read_text(path, "access.cookies")
            if path.stat().st_mode & 0o004:
                log.warning("access.cookies: every user can read %s; `chmod 600` on it mends that", path)


def choose_identity(access: Access) -> Identity:
    """This task's identity: array task i takes entry i of each list, and the next one each time it is requeued."""
    turn = int(os.environ.get("SLURM_ARRAY_TASK_ID", "0")) + int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    proxy = cookies = None
    if access.proxies is not None:
        urls = read_proxies(access.proxies)
        proxy = urls[turn % len(urls)]
    if access.cookies is not None:
        files = list_cookie_files(access.cookies)
        cookies = read_text(files[turn % len(files)], "access.cookies")
    return Identity(proxy, cookies, choose_source_address(access))


def read_proxies(path: str) -> list[str]:
    """The proxy URLs of a file, one per line; a line without a scheme is an http proxy. Raises InputError."""
    lines = read_text(Path(path), "access.proxies").splitlines()
    urls = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        url = line if "://" in line else f"http://{line}"
        if not is_proxy(url):
            raise InputError(
                f"access.proxies: line {number} of {path} is not a proxy URL; "
                f"it must look like http://user:password@host:port (or {', '.join(PROXIES[1:])})"
            )
        urls.append(url)
    if not urls:
        raise InputError(f"access.proxies: no proxy in {path}; write one URL per line")
    return urls


def is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in PROXIES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is not a number, or an unclosed bracket of an IPv6 address
        return False


def list_cookie_files(path: str) -> list[Path]:
    """The cookies.txt itself, or the .txt files of a folder, sorted by name. Raises InputError for an empty folder."""
    source = Path(path)
    if not source.is_dir():
        return [source]
    files = sorted(source.glob("*.txt"))
    if not files:
        raise InputError(f"access.cookies: no .txt file in the folder {path}")
    return files


def read_text(path: Path, key: str) -> str:
    """The text of the file that the config key `key` names. Raises InputError: unreadable, not UTF-8, or empty."""
    node = os.uname().nodename
    try:
        text = path.read_text()
    except OSError as error:
        raise InputError(f"{key}: {path} cannot be read on {node}: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    if not text.strip():
        raise InputError(f"{key}: {path} contains no text")
    return text


def choose_source_address(access: Access) -> str | None:
    """The local address that this node sends from; None: the system chooses. Raises InputError for an unlisted node."""
    if not isinstance(access.source_address, dict):
        return access.source_address
    node = os.environ.get("SLURMD_NODENAME", os.uname().nodename)
    if node not in access.source_address:
        raise InputError(
            f"access.source_address names no address for node {node}, only for: {', '.join(access.source_address)}"
        )
    return access.source_address[node]
