"""Clips in a browser: a joined one plays from the first frame to the last, in order, and is sought to the frame."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from support.numbered import ENCODE, FPS, SMART, X264, Films, cut_frames

from stages.core.video.cut.clip import Cutting

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = (Path(__file__).parents[3] / "support" / "player.html").read_text()
WAIT_S = 120

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")]


@contextmanager
def site(clip: Path, seeks: list[float]) -> Iterator[tuple[str, "SimpleQueue[dict[str, Any]]"]]:
    """The address of a page with the clip, and where what the page found arrives."""
    found: SimpleQueue[dict[str, Any]] = SimpleQueue()
    content = clip.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/clip.mp4":
                begin, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
                first, last = int(begin), int(end or len(content) - 1)
                told = {"Content-Type": "video/mp4", "Content-Range": f"bytes {first}-{last}/{len(content)}"}
                self.answer(206, content[first : last + 1], told)
            elif self.path == "/":
                self.answer(200, PAGE.replace("SEEKS", json.dumps(seeks)).encode(), {"Content-Type": "text/html"})
            else:
                self.answer(404, b"", {})

        def do_POST(self) -> None:
            found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(200, b"", {})

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Accept-Ranges": "bytes"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", found
        server.shutdown()
        thread.join()


def seen(clip: Path, seeks: list[float], folder: Path) -> dict[str, Any]:
    """What the page saw of the clip: the numbers of the frames that were played, of those sought, when a beep began."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}"]
    with site(clip, seeks) as (address, found):
        words = [str(CHROMIUM), *flags, "--autoplay-policy=no-user-gesture-required", address]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return found.get(timeout=WAIT_S)
            finally:
                browser.terminate()


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize(
    ("span", "how", "mode"),
    [
        ((37, 96), SMART, "joined"),  # a head
        ((32, 93), SMART, "joined"),  # a tail
        ((13, 125), SMART, "joined"),  # both
        ((32, 96), SMART, "copied"),
        ((37, 91), ENCODE, "encoded"),
    ],
)
def test_clip_plays_through_and_seeks_to_the_frame(
    films: Films, tmp_path: Path, span: tuple[int, int], how: Cutting, mode: str
) -> None:
    first, end = span
    clip, wanted = tmp_path / "clip.mp4", list(range(first, end))
    film = films("gop32.mp4", *X264, "-g", "32", "-bf", "3", "-vf", "scale=320:192:flags=neighbor", "-c:a", "aac")
    assert cut_frames(film, first, end, clip, how).mode == mode
    at = [40, 3, 27, 26, len(wanted) - 1, 0, 28, 20, 21, 22]
    page = seen(clip, [(n + 0.5) / FPS for n in at], tmp_path / "profile")
    assert page.get("error") is None
    assert page["first"] == first
    assert page["last"] == end - 1
    assert page["duration"] == pytest.approx(len(wanted) / FPS, abs=0.03)  # the sound may end within a frame of AAC
    played = [number for _, number in page["played"]]
    assert played == sorted(played)  # a busy browser leaves frames out, but shows none twice, late or of another clip
    assert set(played) <= set(wanted)
    assert len(played) > 0.5 * len(wanted)
    late = [number - first - time_s * FPS for time_s, number in page["played"]]
    assert all(-0.1 < frames < 3 for frames in late), (
        "a busy browser draws a frame that is newer than the one it told of"
    )
    assert min(late) < 0.1
    assert page["sought"] == [wanted[n] for n in at]
    assert page["beep_s"] == pytest.approx(-first % FPS / FPS, abs=0.005)
