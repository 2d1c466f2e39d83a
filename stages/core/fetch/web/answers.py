"""Answers of web servers: redirects followed, refusals told by their code, connections kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import Cookie, CookieJar
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urljoin
from urllib.request import Request, getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout
from urllib3.exceptions import HTTPError, InvalidHeader, LocationValueError
from urllib3.util import Retry, Url, make_headers, parse_url

from slurm.errors import InputError, ItemError
from stages.core.fetch.pace import Line
from stages.core.fetch.refused import RefusedError

BLOCK_BYTES = 1 << 18
SMALL_BYTES = 1 << 16  # the body of a redirect or refusal that is read, so that its connection can be used again
MOST_REDIRECTS = 10
HOSTS = 32  # whose connections are kept

SCHEMES = ["http", "https"]
GOOD = {200, 206, 416}
REFUSALS = {401: "private", 403: "private", 404: "removed", 410: "removed", 451: "geo_blocked"}
PASSING = {407, 408, 425, *range(500, 600)} - {501}

Headers = Mapping[str, str]


class LostError(ItemError):
    """The connection or the server failed: another try may do better."""


class Answers:
    """Connections of one worker process, shared by its threads.

    Without a proxy of the line, those of the environment (https_proxy, no_proxy) are used.
    """

    def __init__(self, line: Line, stall_s: float, connections: int) -> None:
        self.line, self.stall_s, self.connections = line, stall_s, connections
        self.cookies = cookie_jar(line.cookies) if line.cookies else None
        proxies = {"http": line.proxy, "https": line.proxy} if line.proxy else getproxies()
        self._direct = self._manager(None)
        self._proxied = {scheme: self._manager(proxies[scheme]) for scheme in SCHEMES if scheme in proxies}

    @contextmanager
    def answer(self, method: str, url: str, headers: Headers) -> Iterator[BaseHTTPResponse]:
        """The answer to a request, with status 200, 206 or 416; its body is still to be read.

        Headers that tell who asks stay on their host: they do not follow a redirect to another one.
        Raises ItemError; its kind LostError where another try may do better; RefusedError where it must wait.
        """
        here = parsed(url)
        if here is None:
            raise self.error("bad_value", url, "not the address of a file of a web server")
        asked = {"User-Agent": "reelmill", **headers}
        if here.auth:
            asked = {**make_headers(basic_auth=unquote(here.auth)), **asked}
        for _ in range(1 + MOST_REDIRECTS):
            response = self._ask(method, here, asked, url)
            try:
                location = response.get_redirect_location()
                if response.status in GOOD:
                    yield response
                    return
                if (response.length_remaining or SMALL_BYTES) < SMALL_BYTES:
                    response.drain_conn()
                if not location:
                    raise self._refusal(url, here, response)
            finally:
                response.close()
                response.release_conn()
            there = parsed(urljoin(here.url, location))
            if there is None:
                raise self.error("other", url, "redirects to what is not on a web server")
            if not same_host(here, there):
                asked = {key: value for key, value in asked.items() if key.lower() not in ("authorization", "cookie")}
            here = there
        raise self.error("network", url, f"more than {MOST_REDIRECTS} redirects")

    def blocks(self, response: BaseHTTPResponse, url: str) -> Iterator[bytes]:
        """The body, as it comes; LostError if it ends before its end."""
        try:
            while block := response.read1(BLOCK_BYTES, decode_content=False):
                yield block
        except HTTPError as error:
            raise self.lost(url, str(error)) from error

    def error(self, code: str, url: str, what: str) -> ItemError:
        return ItemError(code, self.line.redacted(f"{url}: {what}"))

    def lost(self, url: str, what: str) -> LostError:
        return LostError("network", self.line.redacted(f"{url}: {what}"))

    def _ask(self, method: str, here: Url, headers: Headers, url: str) -> BaseHTTPResponse:
        asked, address, host = dict(headers), here._replace(auth=None, fragment=None).url, str(here.host)
        request = Request(address, headers=asked)
        if self.cookies is not None:
            self.cookies.add_cookie_header(request)
            asked.update(request.unredirected_hdrs)
        proxied = here.scheme in self._proxied and (self.line.proxy or not proxy_bypass(host))
        manager = self._proxied[str(here.scheme)] if proxied else self._direct
        self.line.turn(host)
        try:
            response = manager.urlopen(
                method,
                address,
                headers=asked,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except HTTPError as error:
            raise self.lost(url, str(error)) from error
        if self.cookies is not None:
            self.cookies.extract_cookies(response, request)  # type: ignore[arg-type]  # it has the one method needed
        return response

    def _refusal(self, url: str, here: Url, response: BaseHTTPResponse) -> ItemError | RefusedError:
        status, wait = response.status, response.headers.get("Retry-After")
        error = self.error(REFUSALS.get(status, "other"), url, f"{here.host} says {status} {response.reason}")
        if status == 429 or (status == 503 and wait):
            return RefusedError("rate_limited", error.detail, seconds(wait) if wait else None)
        return LostError("network", error.detail) if status in PASSING else error

    def _manager(self, proxy: str | None) -> PoolManager:
        source = (self.line.source_address, 0) if self.line.source_address else None
        timeout = Timeout(connect=self.stall_s, read=self.stall_s)
        settings: dict[str, Any] = {"maxsize": self.connections, "source_address": source, "timeout": timeout}
        if proxy is None:
            return PoolManager(HOSTS, **settings)
        through = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        if through.scheme in SCHEMES:
            auth = make_headers(proxy_basic_auth=unquote(through.auth)) if through.auth else None
            return ProxyManager(through._replace(auth=None).url, HOSTS, proxy_headers=auth, **settings)
        if find_spec("socks") is None:
            what = f"a {through.scheme} proxy needs the package PySocks (pip install PySocks)"
            raise InputError(f"{through.host}: {what}; or name an http proxy in the file of access.proxies")
        from urllib3.contrib.socks import SOCKSProxyManager

        return SOCKSProxyManager(proxy, num_pools=HOSTS, **settings)


def parsed(address: str) -> Url | None:
    """The parts of a web address; None if it is none."""
    try:
        parts = parse_url(address)
    except LocationValueError:
        return None
    return parts if parts.scheme in SCHEMES and parts.host else None


def same_host(here: Url, there: Url) -> bool:
    """Whether a password for the one may be told to the other: also when it only turns to TLS."""
    to_tls = (here.scheme, here.port or 80, there.scheme, there.port or 443) == ("http", 80, "https", 443)
    return here.host == there.host and (to_tls or (here.scheme, here.port) == (there.scheme, there.port))


def seconds(wait: str) -> float | None:
    """The pause of a Retry-After header, in seconds or as a date; None if it is neither."""
    try:
        return Retry().parse_retry_after(wait)
    except InvalidHeader:
        return None


def cookie_jar(text: str) -> CookieJar:
    """The cookies of a cookies.txt (Netscape's format); InputError names a bad line only by its number."""
    jar = CookieJar()
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.removeprefix("#HttpOnly_").split("\t")
        if fields[0].startswith("#") or not line.strip():
            continue
        try:
            domain, _, path, secure, expires, name, value = fields
            until = int(float(expires or 0)) or None
        except ValueError as error:
            raise InputError(f"line {number} of a file of access.cookies is not one of a cookies.txt") from error
        dot = domain.startswith(".")
        cookie = Cookie(
            0,
            name,
            value,
            None,
            False,
            domain,
            dot,
            dot,
            path,
            True,
            secure == "TRUE",
            until,
            not until,
            None,
            None,
            {},
        )
        jar.set_cookie(cookie)
    return jar
