"""A site and servers that fail in every way: the row's error, what is retried, and what is not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.session import direct
from support.site import FPS, LIMITS, SECONDS, VideoSite, fetch, streams

from slurm.errors import ItemError
from stages.core.fetch.sites.extraction import BLOCK_BYTES
from stages.core.fetch.throttled import ThrottledError

PICTURE, SOUND = "h264_216.mp4", "aac.m4a"


def refused(call: Callable[[], object]) -> ItemError | ThrottledError:
    with pytest.raises((ItemError, ThrottledError)) as caught:
        call()
    assert isinstance(caught.value, ItemError | ThrottledError)
    return caught.value


def asked(site: VideoSite) -> list[str]:
    return [request.path for request in site.requests]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (("ExtractorError", "Private video. Sign in if you've been granted access"), "private"),
        (("ExtractorError", "This video has been removed by the uploader"), "removed"),
        (("ExtractorError", "Join this channel to get access to members-only content"), "members_only"),
        (("ExtractorError", "Sign in to confirm your age"), "age_restricted"),
        (("ExtractorError", "Premieres in 5 hours"), "live"),
        (("GeoRestrictedError", "Not here"), "geo_blocked"),
        (("UserNotLive",), "live"),
        (("TypeError", "'NoneType' object is not subscriptable"), "unknown"),
        (("ExtractorError", "Sign in to confirm you’re not a bot"), "bot_check"),
    ],
)
def test_what_the_page_says_is_the_rows_error(site: VideoSite, tmp_path: Path, said: list[str], code: str) -> None:
    url = site.page("one", **{"raise": said})
    error = refused(lambda: fetch(url, tmp_path))
    assert (error.code, isinstance(error, ThrottledError)) == (code, code == "bot_check")
    assert error.detail.startswith(said[-1] if len(said) > 1 else "The channel")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(403, "private"), (404, "removed"), (410, "removed"), (451, "geo_blocked"), (500, "network"), (400, "unknown")]
    + [(fault, "network") for fault in ("dropped", "stalled", "truncated")],
)
def test_a_page_that_cannot_be_had(site: VideoSite, tmp_path: Path, fault: int | str, code: str) -> None:
    url = site.page("one", PICTURE, SOUND)
    site.fault("watch/one", fault)
    assert refused(lambda: fetch(url, tmp_path, limits=replace(LIMITS, stall_s=0.5))).code == code


def test_a_page_that_sends_round_in_circles(site: VideoSite, tmp_path: Path) -> None:
    url = site.page("one", PICTURE, SOUND)
    site.fault("watch/one", "redirect", url)
    assert refused(lambda: fetch(url, tmp_path)).code == "network"


@pytest.mark.parametrize("where", ["watch/one", PICTURE, "hls5.ts"])
def test_a_host_that_wants_a_pause_is_not_asked_again(site: VideoSite, tmp_path: Path, where: str) -> None:
    url = site.page("one", "hls.m3u8" if where == "hls5.ts" else PICTURE)
    site.fault(where, 429, 17)
    error = refused(lambda: fetch(url, tmp_path))
    assert isinstance(error, ThrottledError)
    assert (error.code, error.after_s) == ("rate_limited", 17)
    assert asked(site).count(where) == 1


def test_an_address_that_ran_out_is_looked_up_again_once(site: VideoSite, tmp_path: Path) -> None:
    url = site.page("one", PICTURE, SOUND)
    site.fault(SOUND, 403, times=1)
    assert streams(fetch(url, tmp_path / "a").file)["frames"] == SECONDS * FPS
    assert asked(site) == ["watch/one", PICTURE, SOUND, "watch/one", SOUND]

    site.requests.clear()
    site.fault(SOUND, 403)
    assert refused(lambda: fetch(url, tmp_path / "b")).code == "network"
    assert asked(site) == ["watch/one", PICTURE, SOUND, "watch/one", SOUND]


@pytest.mark.parametrize(("fault", "code"), [(404, "removed"), (503, "network")])
def test_a_file_that_cannot_be_had(site: VideoSite, tmp_path: Path, fault: int | str, code: str) -> None:
    url = site.page("one", PICTURE, SOUND)
    site.fault(PICTURE, fault)
    assert refused(lambda: fetch(url, tmp_path)).code == code


@pytest.mark.parametrize("fault", ["truncated", "stalled"])
def test_a_lost_connection_is_resumed(site: VideoSite, tmp_path: Path, film: Path, fault: str) -> None:
    unused = 3_000_000  # bytes, in a box that readers pass over
    site.files[PICTURE] = (film / PICTURE).read_bytes() + unused.to_bytes(4) + b"free" + bytes(unused - 8)
    site.fault(PICTURE, fault, times=1)
    fetched = fetch(site.page("one", PICTURE, SOUND), tmp_path, limits=replace(LIMITS, stall_s=2))
    assert streams(fetched.file)["frames"] == SECONDS * FPS
    whole_blocks = len(site.files[PICTURE]) // 2 // BLOCK_BYTES * BLOCK_BYTES
    assert [request.range for request in site.asked(PICTURE)] == [None, f"bytes={whole_blocks}-"]


def test_a_server_without_ranges_is_asked_for_the_whole_again(site: VideoSite, tmp_path: Path) -> None:
    site.fault(PICTURE, "no_ranges")
    site.fault(PICTURE, "truncated", times=1)
    assert streams(fetch(site.page("one", PICTURE, SOUND), tmp_path).file)["frames"] == SECONDS * FPS


def test_a_piece_of_a_stream_that_is_not_there_is_not_left_out(site: VideoSite, tmp_path: Path) -> None:
    site.fault("hls5.ts", 500)
    assert refused(lambda: fetch(site.page("one", "hls.m3u8"), tmp_path)).code == "network"


@pytest.mark.parametrize("piece", ["file:///etc/hostname", "gopher://127.0.0.1/x", "nothing.ts"])
def test_a_list_of_pieces_that_cannot_be_fetched_is_no_fault_of_the_network(
    site: VideoSite, tmp_path: Path, piece: str
) -> None:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{piece}\n#EXT-X-ENDLIST\n"
    site.files["odd.m3u8"] = text.encode()
    error = refused(lambda: fetch(site.page("one", "odd.m3u8"), tmp_path))
    assert error.code == "bad_stream", error.detail


@pytest.mark.parametrize("name", [PICTURE, "vp9_144.webm", "h264+aac_72.mp4"])
def test_a_file_that_is_torn_whatever_its_length_says_is_corrupt(
    site: VideoSite, tmp_path: Path, film: Path, name: str
) -> None:
    content = (film / name).read_bytes()
    site.files[name] = content[: len(content) * 2 // 3]
    assert refused(lambda: fetch(site.page("one", name), tmp_path)).code == "corrupt"


def test_what_is_no_video_is_corrupt_and_what_is_empty_was_not_sent(site: VideoSite, tmp_path: Path) -> None:
    site.files[PICTURE] = b"<html>please wait</html>" * 100
    assert refused(lambda: fetch(site.page("one", PICTURE), tmp_path)).code == "corrupt"
    site.files[PICTURE] = b""
    assert refused(lambda: fetch(site.page("two", PICTURE), tmp_path)).code == "network"
    site.files[PICTURE] = site.content(SOUND) or b""
    assert refused(lambda: fetch(site.page("three", PICTURE), tmp_path)).code == "no_video"


def test_what_is_too_long_or_live_is_not_started(site: VideoSite, tmp_path: Path) -> None:
    long = refused(lambda: fetch(site.page("long", PICTURE, duration=3601), tmp_path))
    assert (long.code, long.detail) == ("too_long", "3601 s is more than limits.max_s=3600")
    for status in ("is_live", "is_upcoming", "post_live"):
        assert refused(lambda: fetch(site.page("live", PICTURE, live_status=status), tmp_path)).code == "live"  # noqa: B023
    assert refused(lambda: fetch(site.page("live", PICTURE, is_live=True), tmp_path)).code == "live"
    assert set(asked(site)) == {"watch/long", "watch/live"}
    fetch(site.page("was", PICTURE, live_status="was_live"), tmp_path)


@pytest.mark.parametrize("fault", [None, "chunked"])
def test_what_is_too_large_is_stopped(site: VideoSite, tmp_path: Path, fault: str | None) -> None:
    site.files[PICTURE] = bytes(8 << 20)
    if fault:
        site.fault(PICTURE, fault)
        site.fault(PICTURE, "slow", 8 << 20)
    small = replace(LIMITS, max_gb=2**-11)
    error = refused(lambda: fetch(site.page("one", PICTURE), tmp_path, limits=small))
    assert (error.code, error.detail) == ("too_large", "more than 0.000488281 GB (limits.max_gb)")
    assert sum(path.stat().st_size for path in (tmp_path / "video").iterdir()) < 1 << 20


def test_both_streams_together_must_fit(site: VideoSite, tmp_path: Path, film: Path) -> None:
    both = (film / PICTURE).stat().st_size + (film / SOUND).stat().st_size
    limits = replace(LIMITS, max_gb=(both - 10) / 2**30)
    assert refused(lambda: fetch(site.page("one", PICTURE, SOUND), tmp_path, limits=limits)).code == "too_large"


def test_a_playlist_is_refused_before_its_videos_are_asked_for(site: VideoSite, tmp_path: Path) -> None:
    entries = [{"_type": "url", "url": site.page("first", PICTURE)}]
    error = refused(lambda: fetch(site.page("list", _type="playlist", entries=entries), tmp_path))
    assert (error.code, error.detail) == ("other", "a playlist or channel: give the address of each of its videos")
    assert asked(site) == ["watch/list"]


def test_an_unknown_site_is_reported(site: VideoSite, tmp_path: Path) -> None:
    site.files["page.html"] = b"<html><title>Hello</title></html>"
    error = refused(lambda: fetch(site.url("page.html"), tmp_path))
    assert (error.code, error.detail) == ("other", f"Unsupported URL: {site.url('page.html')}")


ELSEWHERE = """
import resource, sys
from pathlib import Path
from support.site import fetch
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    fetch(sys.argv[1], Path(sys.argv[2]))
except Exception as error:
    print(error.code)
"""


def elsewhere(url: str, folder: Path, *more: str) -> "subprocess.Popen[str]":
    path = os.pathsep.join(["tests", "."])
    command = [sys.executable, "-c", ELSEWHERE, url, str(folder), *more]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True)


def kill_when(process: "subprocess.Popen[str]", begun: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not begun():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_full_disk_is_no_fault_of_the_video(site: VideoSite, tmp_path: Path) -> None:
    out, _ = elsewhere(site.page("one", PICTURE, SOUND), tmp_path, "20000").communicate()
    assert out == "disk\n"


def test_a_killed_download_is_resumed(site: VideoSite, tmp_path: Path, film: Path) -> None:
    url, size = site.page("one", PICTURE, SOUND), (film / SOUND).stat().st_size
    site.fault(SOUND, "slow", 150_000, times=1)
    kill_when(elsewhere(url, tmp_path), lambda: sum(r.sent_bytes for r in site.asked(SOUND)) > size // 2)
    (part,) = (tmp_path / "video").glob("stream-*.part")
    have = part.stat().st_size
    assert 0 < have < size
    assert streams(fetch(url, tmp_path).file)["frames"] == SECONDS * FPS
    assert [request.range for request in site.asked(SOUND)] == [None, f"bytes={have}-"]
    assert len(site.asked(PICTURE)) == 1  # it was whole


def test_of_a_killed_stream_only_the_missing_pieces_are_asked_for(site: VideoSite, tmp_path: Path) -> None:
    url = site.page("one", "hls.m3u8")
    site.fault("hls6.ts", "stalled", times=1)
    kill_when(elsewhere(url, tmp_path), lambda: bool(site.asked("hls6.ts")))
    site.requests.clear()
    assert streams(fetch(url, tmp_path).file)["frames"] == SECONDS * FPS
    assert [path for path in asked(site) if path.endswith(".ts")] == [f"hls{n}.ts" for n in range(6, SECONDS)]


def test_what_is_left_of_another_format_is_not_resumed(site: VideoSite, tmp_path: Path) -> None:
    site.fault(PICTURE, "truncated")
    assert refused(lambda: fetch(site.page("one", PICTURE), tmp_path)).code == "network"
    site.mend(PICTURE)
    fetched = fetch(site.page("one", "vp9_144.webm"), tmp_path)
    assert streams(fetched.file)["video"] == "vp9"
    assert list(fetched.file.parent.iterdir()) == [fetched.file]


def test_a_source_address_is_used(site: VideoSite, tmp_path: Path) -> None:
    url = site.page("one", PICTURE)
    fetch(url, tmp_path / "a", direct(tmp_path / "line", source_address="127.0.0.2"))
    not_ours = direct(tmp_path / "line", source_address="192.0.2.1")
    assert refused(lambda: fetch(url, tmp_path / "b", not_ours)).code == "network"
