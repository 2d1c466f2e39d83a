"""Requests to web servers over connection pools: follows redirects, turns refusals into error codes."""

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
from stages.core.fetch.robots import USER_AGENT
from stages.core.fetch.session import Session
from stages.core.fetch.throttled import ThrottledError
from stages.core.storage.errors import LIBRARY_FAULTS

BLOCK_BYTES = 1 << 18
SMALL_BYTES = 1 << 16  # the body of a redirect or refusal is read up to target, so that its connection can be reused
MOST_REDIRECTS = 10
LONGEST_PAUSE_S = 1e9  # that a host's Retry-After is taken for: larger numbers overflow
HOSTS_KEPT = 32  # number of hosts with a connection pool

SCHEMES = ["http", "https"]
SUCCESS_STATUSES = {200, 206, 416}
REFUSAL_CODES = {401: "private", 403: "private", 404: "removed", 410: "removed", 451: "geo_blocked"}
TRANSIENT_STATUSES = {407, 408, 425, *range(500, 600)} - {501}

Headers = Mapping[str, str]


class TransientError(ItemError):
    """The connection or the server failed; retrying may succeed."""


class Connections:
    """The connection pools of one worker process, shared by its threads.

    If the session has no proxy, those of the environment (https_proxy, no_proxy) apply.
    """

    def __init__(self, session: Session, stall_s: float, connections: int) -> None:
        self.session, self.stall_s, self.connections = session, stall_s, connections
        self.cookies = parse_cookies(session.cookies) if session.cookies else None
        proxies = {"http": session.proxy, "https": session.proxy} if session.proxy else getproxies()
        self._direct = self._make_pool(None)
        self._proxied = {scheme: self._make_pool(proxies[scheme]) for scheme in SCHEMES if scheme in proxies}

    @contextmanager
    def request(self, method: str, url: str, headers: Headers) -> Iterator[BaseHTTPResponse]:
        """The response to a request, with status 200, 206 or 416; its body is not yet read.

        Credentials (Authorization, Cookie) are not sent along on a redirect to another host.
        Raises ItemError, of which TransientError where retrying may succeed; ThrottledError where the host asks for a
        pause first.
        """
        target = parse_web_address(url)
        if target is None:
            raise self.make_error("bad_value", url, "not an http(s) address")
        request_headers = {"User-Agent": USER_AGENT, **headers}
        if target.auth:
            request_headers = {**make_headers(basic_auth=unquote(target.auth)), **request_headers}
        for _ in range(1 + MOST_REDIRECTS):
            response = self._send(method, target, request_headers, url)
            try:
                location = response.get_redirect_location()
                if response.status in SUCCESS_STATUSES:
                    self.session.check_opt_out(url, response.headers.getlist("X-Robots-Tag"))
                    yield response
                    return
                if (response.length_remaining or SMALL_BYTES) < SMALL_BYTES:
                    response.drain_conn()
                if not location:
                    raise self._refusal_error(url, target, response)
            finally:
                response.close()
                response.release_conn()
            redirected = parse_web_address(location, target.url)
            if redirected is None:
                raise self.make_error("other", url, "redirects to an address that is not http(s)")
            if not is_same_origin(target, redirected):
                request_headers = {
                    key: value
                    for key, value in request_headers.items()
                    if key.lower() not in ("authorization", "cookie")
                }
            target = redirected
        raise self.make_error("network", url, f"more than {MOST_REDIRECTS} redirects")

    def read_blocks(self, response: BaseHTTPResponse, url: str) -> Iterator[bytes]:
        """The body in blocks as they arrive. Raises TransientError if the connection breaks."""
        try:
            while block := response.read1(BLOCK_BYTES, decode_content=False):
                yield block
        except HTTPError as error:
            raise self.make_transient_error(url, str(error)) from error

    def make_error(self, code: str, url: str, what: str) -> ItemError:
        return ItemError(code, self.session.redact(f"{url}: {what}"))

    def make_transient_error(self, url: str, what: str) -> TransientError:
        return TransientError("network", self.session.redact(f"{url}: {what}"))

    def _send(self, method: str, target: Url, headers: Headers, url: str) -> BaseHTTPResponse:
        request_headers, address, host = dict(headers), target._replace(auth=None, fragment=None).url, str(target.host)
        request = Request(address, headers=request_headers)
        if self.cookies is not None:
            self.cookies.add_cookie_header(request)
            request_headers.update(request.unredirected_hdrs)
        proxied = target.scheme in self._proxied and (self.session.proxy or not proxy_bypass(host))
        manager = self._proxied[str(target.scheme)] if proxied else self._direct
        self.session.wait_turn(host)
        try:
            response = manager.urlopen(
                method,
                address,
                headers=request_headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except LocationValueError as error:
            raise self.make_error("bad_value", url, str(error)) from error
        except HTTPError as error:
            raise self.make_transient_error(url, str(error)) from error
        except LIBRARY_FAULTS as error:
            raise self.make_error("other", url, f"{type(error).__name__}: {error}") from error
        if self.cookies is not None:
            self.cookies.extract_cookies(response, request)  # type: ignore[arg-type]  # a response has the one method that is used
        return response

    def _refusal_error(self, url: str, target: Url, response: BaseHTTPResponse) -> ItemError | ThrottledError:
        status, wait = response.status, response.headers.get("Retry-After")
        error = self.make_error(
            REFUSAL_CODES.get(status, "unknown"), url, f"{target.host} answers {status} {response.reason}"
        )
        if status == 429 or (status == 503 and wait):
            return ThrottledError("rate_limited", error.detail, parse_retry_after(wait) if wait else None)
        return TransientError("network", error.detail) if status in TRANSIENT_STATUSES else error

    def _make_pool(self, proxy: str | None) -> PoolManager:
        source = (self.session.source_address, 0) if self.session.source_address else None
        timeout = Timeout(connect=self.stall_s, read=self.stall_s)
        settings: dict[str, Any] = {"maxsize": self.connections, "source_address": source, "timeout": timeout}
        if proxy is None:
            return PoolManager(HOSTS_KEPT, **settings)
        through = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        if through.scheme in SCHEMES:
            auth = make_headers(proxy_basic_auth=unquote(through.auth)) if through.auth else None
            return ProxyManager(through._replace(auth=None).url, HOSTS_KEPT, proxy_headers=auth, **settings)
        if find_spec("socks") is None:
            what = f"a {through.scheme} proxy needs the package PySocks (pip install PySocks)"
            raise InputError(f"{through.host}: {what}; or name an http proxy in the file of access.proxies")
        from urllib3.contrib.socks import SOCKSProxyManager

        return SOCKSProxyManager(proxy, num_pools=HOSTS_KEPT, **settings)


def parse_web_address(address: str, base: str = "") -> Url | None:
    """The parts of an http(s) address, which may be relative to `base`; None if it is not one."""
    try:
        parts = parse_url(urljoin(base, address))
    except ValueError:  # LocationValueError, and those of Python's own parser
        return None
    return parts if parts.scheme in SCHEMES and parts.host else None


def is_same_origin(target: Url, redirected: Url) -> bool:
    """Whether both have the same scheme, host and port, or differ only by an upgrade from http to https.

    Only then may credentials for one be sent to the other.
    """
    to_tls = (target.scheme, target.port or 80, redirected.scheme, redirected.port or 443) == ("http", 80, "https", 443)
    return target.host == redirected.host and (
        to_tls or (target.scheme, target.port) == (redirected.scheme, redirected.port)
    )


def parse_retry_after(wait: str) -> float | None:
    """The pause of a Retry-After header in seconds; the header may also be a date. None if it is neither."""
    try:
        return min(Retry().parse_retry_after(wait), LONGEST_PAUSE_S)
    except (InvalidHeader, *LIBRARY_FAULTS):  # a date or a number that Python cannot hold
        return None


def parse_cookies(text: str) -> CookieJar:
    """The cookies of a cookies.txt (Netscape format). Raises InputError, which names a bad line only by its number."""
    jar = CookieJar()
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.removeprefix("#HttpOnly_").split("\t")
        if fields[0].startswith("#") or not line.strip():
            continue
        try:
            domain, _, path, secure, expires, name, value = fields
            until = int(float(expires or 0)) or None
        except ValueError as error:
            raise InputError(f"line {number} of a file of access.cookies is not in the cookies.txt format") from error
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
