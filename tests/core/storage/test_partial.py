"""Partial files of an attempt are resumed by the next, and never written by two processes."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stages.core.storage.partial import SYNC_BYTES, claim_folder

PROGRAM = """
import sys
import time
from pathlib import Path
from stages.core.storage.partial import claim_folder
from stages.core.fetch.web.partial import PartialFile
with claim_folder(Path(sys.argv[1])) as folder:
    {does}
    print("here", flush=True)
    sys.stdin.read()
"""
WHOLE_AND_BEGUN = """
    (folder / "stream-0123").write_bytes(b"whole")
    (folder / "linked.mp4").symlink_to("/etc/hostname")
    for name in ("stream-4567.part", "stream-4567.ytdl", "unfinished-1-video.mp4", ".nfs001", "small.mp4.part"):
        (folder / name).write_bytes(b"begun")
    part = PartialFile(folder / "video.mp4", "http://host/video.mp4")
    part.__enter__()
    part.begin(None, "tag")
    for _ in range(300):
        part.append(bytes(1 << 16))
"""
OVER_AND_OVER = """
    print("here", flush=True)
    with PartialFile(folder / "video.mp4", "http://host/video.mp4") as part:
        for number in range(10**6):
            part.begin(None, f"tag {number}")
            for _ in range(20):
                part.append(bytes([number % 256]) * (1 << 20))
            time.sleep(0.1 * (number % 2))
"""


@contextmanager
def elsewhere(work: Path, does: str = "") -> "Iterator[subprocess.Popen[str]]":
    """A process that has a folder of its own, has done something there, and lives."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", PROGRAM.format(does=does), str(work)], **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "here\n"
        yield process
        process.kill()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def begin(work: Path, size: int = 4) -> None:
    """A try that gives up."""
    with pytest.raises(RuntimeError), claim_folder(work) as folder:
        (folder / "video.mp4.part").write_bytes(bytes(size))
        raise RuntimeError


def test_an_attempt_that_gave_up_is_resumed(tmp_path: Path) -> None:
    begin(tmp_path / "v")
    with claim_folder(tmp_path / "v") as folder:
        assert content(folder) == {"video.mp4.part": bytes(4)}
        assert list((tmp_path / "v").iterdir()) == [folder]


def test_of_several_the_furthest_is_resumed_and_the_others_go(tmp_path: Path) -> None:
    with ExitStack() as tries:
        for size in (5, 7, 6):
            folder = tries.enter_context(claim_folder(tmp_path / "v"))
            (folder / "video.mp4.part").write_bytes(bytes(size))
    with claim_folder(tmp_path / "v") as folder:
        assert content(folder) == {"video.mp4.part": bytes(7)}
        assert list((tmp_path / "v").iterdir()) == [folder]


def test_the_folder_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    with elsewhere(tmp_path, WHOLE_AND_BEGUN) as process:
        (other,) = tmp_path.iterdir()
        left = content(other)
        process.kill()
        process.wait()
        with claim_folder(tmp_path) as folder:
            assert content(folder) == left
        assert not other.exists()


def test_of_a_process_that_may_live_only_what_cannot_change_is_copied(tmp_path: Path) -> None:
    with elsewhere(tmp_path, WHOLE_AND_BEGUN) as process:
        (other,) = tmp_path.iterdir()
        before = content(other)
        process.send_signal(signal.SIGSTOP)
        with claim_folder(tmp_path) as folder:
            found = content(folder)
            assert found.keys() == {"stream-0123", "video.mp4.part", "video.mp4.part.json"}
            assert found["stream-0123"] == b"whole"
            assert found["video.mp4.part"] == bytes(SYNC_BYTES)
            assert found["video.mp4.part.json"] == before["video.mp4.part.json"]
            for name in found:
                assert not (folder / name).samefile(other / name)
        assert content(other) == before


@pytest.mark.slow
def test_what_is_copied_is_of_one_file_even_where_its_owner_starts_again(tmp_path: Path) -> None:
    copied, until_s = 0, time.monotonic() + 30
    with elsewhere(tmp_path / "v", OVER_AND_OVER) as process:
        while copied < 20:
            assert process.poll() is None
            assert time.monotonic() < until_s
            with claim_folder(tmp_path / "v") as folder:
                found = content(folder)
                for path in folder.iterdir():
                    path.unlink()
            if found:
                copied += 1
                (number,) = set(found["video.mp4.part"])
                assert len(found["video.mp4.part"]) == SYNC_BYTES
                tag = int(found["video.mp4.part.json"].partition(b"tag ")[2].partition(b'"')[0])
                assert tag % 256 == number


@pytest.mark.parametrize("times", range(60))  # who looks just as another takes it is rare
def test_of_several_processes_one_takes_it_over(tmp_path: Path, times: int) -> None:
    begin(tmp_path / "v")
    start, end = threading.Barrier(8), threading.Barrier(8)  # nobody leaves before all have come

    def go_on(_: int) -> dict[str, bytes]:
        start.wait(30)
        with claim_folder(tmp_path / "v") as folder:
            end.wait(30)
            return content(folder)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(go_on, range(8)))
    assert sum(map(bool, found)) == 1


def test_a_video_that_is_done_leaves_nothing(tmp_path: Path) -> None:
    with claim_folder(tmp_path / "v") as folder:
        (folder / "video.mp4").touch()
        shutil.rmtree(tmp_path / "v")
    assert list(tmp_path.iterdir()) == []
