"""How yt-dlp sends requests: proxies, cookies, the run's rate limit; and that nothing of it is logged."""

import logging
import time
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from support.session import PACE, direct
from support.site import VideoSite, fetch

from slurm.errors import InputError, ItemError
from stages.core.fetch.session import Session
from stages.core.fetch.settings import Access
from stages.core.fetch.throttled import ThrottledError

SECRET, LATER, LONG_AGO = "s3cr3t-c00kie", 4102444800, 946684800
PASSWORD = "pa55word%21"


def cookies(expires: int, *more: str) -> str:
    return "\n".join([f"127.0.0.1\tFALSE\t/\tFALSE\t{expires}\tsession\t{SECRET}", *more, ""])


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> "Heard":
    caplog.set_level(logging.DEBUG)
    return Heard(caplog, capfd)


class Heard:
    """Everything that was logged and printed."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self.caplog, self.capfd = caplog, capfd

    def text(self) -> str:
        printed = "".join(self.capfd.readouterr())
        assert printed == ""
        assert "yt-dlp: [Support] Extracting URL" in self.caplog.text
        return self.caplog.text


def test_cookies_are_sent_and_never_logged(site: VideoSite, tmp_path: Path, heard: Heard) -> None:
    url = site.page("one", "h264_72.mp4", "aac.m4a")
    for name in ("watch/one", "h264_72.mp4"):
        site.fault(name, "needs", f"Cookie: session={SECRET}")
    fetched = fetch(url, tmp_path, direct(tmp_path / "line", cookies=cookies(LATER)))
    assert SECRET not in heard.text()
    for path in (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "cookies.txt"):
        assert SECRET.encode() not in path.read_bytes()
    assert SECRET not in repr(fetched)


def test_a_message_of_the_site_with_a_secret_in_it_is_redacted(site: VideoSite, tmp_path: Path, heard: Heard) -> None:
    said = f"No account with session={SECRET}"
    url = site.page("one", **{"raise": ("ExtractorError", said), "warn": said})
    with pytest.raises(ItemError) as caught:
        fetch(url, tmp_path, direct(tmp_path / "line", cookies=cookies(LATER)))
    assert caught.value.detail == "No account with session=***"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "yt-dlp: [Support] No account with session=***" in heard.text()
    assert SECRET not in heard.caplog.text


def test_a_line_that_is_no_cookie_is_named_by_its_number(
    site: VideoSite, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = direct(tmp_path / "line", cookies=cookies(LATER, f"torn\t{SECRET}"))
    with pytest.raises(InputError, match=r"line 2 of a file of access\.cookies") as caught:
        fetch(site.page("one", "h264_72.mp4"), tmp_path, bad)
    assert SECRET not in str(caught.value)
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("said", ["Private video. Sign in", "Sign in to confirm your age", "Sign in, you’re not a bot"])
def test_expired_cookies_are_what_is_wrong_when_a_site_lets_nobody_in(
    site: VideoSite, tmp_path: Path, said: str
) -> None:
    rotated = "The provided YouTube account cookies are no longer valid. They have likely been rotated in the browser"
    for expires, told in ((LONG_AGO, {}), (LATER, {"warn": rotated})):
        url = site.page("one", **{"raise": ("ExtractorError", said), **told})
        with pytest.raises(ThrottledError) as caught:
            fetch(url, tmp_path, direct(tmp_path / "line", cookies=cookies(expires)))
        assert caught.value.code == "bot_check"
        assert caught.value.detail.endswith("(the cookies have expired: export access.cookies anew)")


def test_expired_cookies_do_not_keep_a_video_that_needs_none(site: VideoSite, tmp_path: Path) -> None:
    fetch(site.page("one", "h264_72.mp4"), tmp_path, direct(tmp_path / "line", cookies=cookies(LONG_AGO)))
    gone = site.page("gone", **{"raise": ("ExtractorError", "This video has been removed by the uploader")})
    with pytest.raises(ItemError) as caught:
        fetch(gone, tmp_path, direct(tmp_path / "line", cookies=cookies(LONG_AGO)))
    assert caught.value.code == "removed"


def test_everything_goes_through_the_proxy_and_its_password_is_never_logged(
    site: VideoSite, tmp_path: Path, heard: Heard
) -> None:
    session = direct(tmp_path / "line", proxies=f"http://ann:{PASSWORD}@{site.host}")
    site.page("one", "h264_72.mp4", "hls.m3u8")
    fetch("http://127.0.0.1:9/watch/one", tmp_path / "a", session)  # where nobody listens
    fetch("http://127.0.0.1:9/watch/one", tmp_path / "b", session, span=(5, 6))
    allowed = b64encode(b"ann:pa55word!").decode()
    assert {request.headers["proxy-authorization"] for request in site.requests} == {f"Basic {allowed}"}
    for secret in ("ann", PASSWORD, "pa55word!", allowed):
        assert secret not in heard.text()


def test_a_proxy_that_is_not_there_is_a_network_failure_without_its_password(tmp_path: Path, heard: Heard) -> None:
    for scheme in ("http", "socks5"):
        dead = direct(tmp_path / scheme, proxies=f"{scheme}://ann:{PASSWORD}@127.0.0.1:9")
        with pytest.raises(ItemError) as caught:
            fetch("http://127.0.0.1:9/watch/one", tmp_path, dead)
        assert caught.value.code == "network"
        for secret in (PASSWORD, "pa55word!", b64encode(b"ann:pa55word!").decode()):
            assert secret not in heard.text() + caught.value.detail


def test_every_request_waits_for_its_turn(site: VideoSite, tmp_path: Path) -> None:
    session = Session(tmp_path / "line", replace(PACE, requests_per_s=20), Access(None, None, None))
    began_s = time.monotonic()
    fetch(site.page("one", "hls.m3u8"), tmp_path, session)
    assert len(site.requests) == 13
    assert time.monotonic() - began_s > 0.5


@pytest.mark.parametrize("name", ["hls.m3u8", "aes.m3u8"])
def test_streams_are_asked_for_by_yt_dlp_itself_even_encrypted_ones(site: VideoSite, tmp_path: Path, name: str) -> None:
    site.files["all.m3u8"] = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\n{name}\n".encode()
    fetch(site.page("one", "all.m3u8"), tmp_path)
    assert not [request for request in site.requests if "icy-metadata" in request.headers]  # ffmpeg asks for that


def test_nothing_is_printed_whatever_goes_wrong(site: VideoSite, tmp_path: Path, heard: Heard) -> None:
    for fault in (403, 429, 404):
        site.fault("h264_72.mp4", fault)
        with pytest.raises((ItemError, ThrottledError)):
            fetch(site.page("one", "h264_72.mp4"), tmp_path)
        site.mend("h264_72.mp4")
    assert "Re-extracting data" in heard.text()
