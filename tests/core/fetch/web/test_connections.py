"""Responses of web servers: refusals by code, redirects, and which host gets credentials."""

import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from support.session import PACE, direct
from support.web import Web

from slurm.errors import InputError, ItemError
from stages.core.fetch.session import Session
from stages.core.fetch.settings import Access, Pace
from stages.core.fetch.throttled import ThrottledError
from stages.core.fetch.web.http import TRIES, HttpClient

Connect = Callable[..., HttpClient]
SECRET = "dragon"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(files={"a.mp4": b"0123456789"}) as served:
        yield served


@pytest.fixture
def other() -> Iterator[Web]:
    with Web(files={"a.mp4": b"abcdefghij"}) as served:
        yield served


@pytest.fixture
def connect(tmp_path_factory: pytest.TempPathFactory) -> Connect:
    def made(**access: str) -> HttpClient:
        return HttpClient(
            direct(tmp_path_factory.mktemp("line"), **access), stall_s=0.3, connections=2, back_off_s=0.01
        )

    return made


def failed(http: HttpClient, url: str) -> ItemError:
    with pytest.raises(ItemError) as caught:
        http.read(url, 2, 5)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "private"),
        (403, "private"),
        (404, "removed"),
        (410, "removed"),
        (451, "geo_blocked"),
        (400, "unknown"),
        (418, "unknown"),
        (501, "unknown"),
    ],
)
def test_refusal_has_its_code_and_is_not_asked_for_again(web: Web, connect: Connect, status: int, code: str) -> None:
    web.fault("a.mp4", status)
    error = failed(connect(), web.url("a.mp4"))
    assert (error.code, web.url("a.mp4") in error.detail, str(status) in error.detail) == (code, True, True)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("status", "retry_after", "after_s"), [(429, None, None), (429, 7, 7), (429, "soon", None), (503, 120, 120)]
)
def test_host_that_wants_a_pause_is_left_alone(
    web: Web, connect: Connect, status: int, retry_after: float | None, after_s: float | None
) -> None:
    web.fault("a.mp4", status, retry_after)
    with pytest.raises(ThrottledError) as caught:
        connect().size(web.url("a.mp4"))
    assert (caught.value.code, caught.value.after_s) == ("rate_limited", after_s)
    assert len(web.requests) == 1


def test_pause_may_be_given_as_a_date(web: Web, connect: Connect) -> None:
    web.fault("a.mp4", 429, formatdate(time.time() + 100, usegmt=True))
    with pytest.raises(ThrottledError) as caught:
        connect().size(web.url("a.mp4"))
    assert caught.value.after_s == pytest.approx(100, abs=3)


def test_redirect_is_followed_to_another_server_also_by_a_relative_address(
    web: Web, other: Web, connect: Connect
) -> None:
    web.fault("first.mp4", "redirect", "sub/../second.mp4")
    web.fault("second.mp4", "redirect", other.url("a.mp4"))
    assert connect().read(web.url("first.mp4"), 2, 5) == b"cde"
    assert [request.path for request in web.requests] == ["first.mp4", "second.mp4"]
    assert len({request.client for request in web.requests}) == 1


def test_redirect_in_a_circle_ends(web: Web, connect: Connect) -> None:
    web.fault("a.mp4", "redirect", web.url("a.mp4"))
    error = failed(connect(), web.url("a.mp4"))
    assert (error.code, "redirects" in error.detail) == ("network", True)
    assert len(web.requests) == 11


def test_redirect_to_what_is_no_web_server_is_an_error(web: Web, connect: Connect) -> None:
    web.fault("a.mp4", "redirect", "ftp://127.0.0.1/a.mp4")
    assert failed(connect(), web.url("a.mp4")).code == "other"


def test_credentials_are_sent_to_their_own_host_only(web: Web, other: Web, connect: Connect) -> None:
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}", "X-Kept": "yes"}
    web.fault("a.mp4", "redirect", web.url("b.mp4"))
    web.fault("b.mp4", "redirect", other.url("a.mp4"))
    connect().read(web.url("a.mp4"), 2, 5, headers)
    assert [SECRET in request.headers["authorization"] for request in web.requests] == [True, True]
    assert SECRET not in str(other.requests[0].headers)
    assert other.requests[0].headers["x-kept"] == "yes"


def test_address_that_a_redirect_signed_is_not_shown(web: Web, other: Web, connect: Connect) -> None:
    web.fault("a.mp4", "redirect", f"{other.url('a.mp4')}?signature={SECRET}")
    for fault in (403, "dropped"):
        other.fault("a.mp4", fault)
        assert SECRET not in failed(connect(), web.url("a.mp4")).detail
        assert other.requests[-1].query == f"signature={SECRET}"
        other.mend("a.mp4")


def test_password_in_an_address_opens_it_and_is_not_shown(web: Web, connect: Connect) -> None:
    address = web.url("a.mp4").replace("://", f"://me:{SECRET}@")
    web.fault("a.mp4", "needs", "Authorization: Basic bWU6ZHJhZ29u")
    assert connect().read(address, 2, 5) == b"234"
    web.fault("a.mp4", 404)
    assert SECRET not in failed(connect(), address).detail
    web.fault("a.mp4", "dropped")
    assert SECRET not in failed(connect(), address).detail


def test_every_request_waits_for_its_turn(web: Web, tmp_path: Path) -> None:
    pace = Pace(requests_per_s=10, sleep_s=PACE.sleep_s, back_off_s=PACE.back_off_s, back_offs=1)
    http = HttpClient(Session(tmp_path, pace, Access(None, None, None)), stall_s=5, connections=2, back_off_s=0.001)
    web.fault("a.mp4", "redirect", web.url("b.mp4"))
    web.fault("b.mp4", 500)
    failed(http, web.url("a.mp4"))
    times = [request.at_s for request in web.requests]
    assert len(times) == 2 * TRIES
    assert times[-1] - times[0] > 0.4


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/a.mp4", "http://nowhere.invalid/a.mp4"])
def test_server_that_is_not_there_is_the_network(connect: Connect, address: str) -> None:
    assert failed(connect(), address).code == "network"


def test_server_without_tls_is_the_network(web: Web, connect: Connect) -> None:
    assert failed(connect(), web.url("a.mp4").replace("http:", "https:")).code == "network"


@pytest.mark.parametrize(
    "address", ["http://", "http:///a.mp4", "http://[::1/a.mp4", "http://host:port/a.mp4", "ftp://a/b"]
)
def test_address_that_is_none_has_its_code(connect: Connect, address: str) -> None:
    assert failed(connect(), address).code == "bad_value"


def cookies(*lines: str) -> str:
    return "\n".join(["# Netscape HTTP Cookie File", "", *lines, ""])


def test_cookies_are_sent_to_their_host_alone(web: Web, connect: Connect) -> None:
    text = cookies(
        "127.0.0.1\tFALSE\t/\tFALSE\t0\ta\t1",
        "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tb\t2",
        "127.0.0.1\tFALSE\t/\tFALSE\t1000000000\texpired\t3",
        "127.0.0.1\tFALSE\t/\tTRUE\t0\ttls\t4",
        ".example.org\tTRUE\t/\tFALSE\t0\telsewhere\t5",
    )
    connect(cookies=text).read(web.url("a.mp4"), 2, 5)
    assert sorted(web.requests[0].headers["cookie"].split("; ")) == ["a=1", "b=2"]


def test_bad_line_among_the_cookies_is_reported_by_its_number(connect: Connect) -> None:
    with pytest.raises(InputError, match=r"line 3 ") as caught:
        connect(cookies=cookies(f"127.0.0.1 FALSE / FALSE 0 a {SECRET}"))
    assert SECRET not in str(caught.value)


def test_proxy_is_asked_with_its_password_which_is_not_shown(web: Web, connect: Connect) -> None:
    http = connect(proxies=f"http://me:{SECRET}@{web.host}")
    assert http.read("http://nowhere.invalid/a.mp4", 2, 5) == b"234"
    assert web.requests[0].headers["proxy-authorization"] == "Basic bWU6ZHJhZ29u"
    for status in (404, 407):
        web.fault("a.mp4", status, times=1)
    assert SECRET not in failed(http, "http://nowhere.invalid/a.mp4").detail
    assert SECRET not in failed(http, "https://nowhere.invalid/a.mp4").detail


def test_proxy_of_the_environment_is_used_but_for_its_exceptions(
    web: Web, other: Web, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{web.host}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert connect().read("http://nowhere.invalid/a.mp4", 2, 5) == b"234"
    assert connect().read(other.url("a.mp4"), 2, 5) == b"cde"


def test_socks_proxy_says_what_it_needs(connect: Connect) -> None:
    with pytest.raises(InputError, match=r"PySocks") as caught:
        connect(proxies=f"socks5://me:{SECRET}@127.0.0.1:1080")
    assert SECRET not in str(caught.value)


def test_requests_leave_from_the_address_that_was_given(web: Web, connect: Connect) -> None:
    connect(source_address="127.0.0.2").read(web.url("a.mp4"), 2, 5)
    assert web.requests[0].client[0] == "127.0.0.2"
