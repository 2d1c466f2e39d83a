"""A partial download is resumed, by another call and after a kill, if the server still has the same file."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from support.session import direct
from support.web import Web

from slurm.errors import ItemError
from stages.core.fetch.web.http import HttpClient
from stages.core.fetch.web.partial import NOTED_BYTES, PartialFile

DATA = random.Random(4).randbytes(12_000_000)
SIZE = len(DATA)
HALF = f"bytes={SIZE // 2}-"
MANY = 10**9
PROGRAM = """
import sys
from pathlib import Path
from stages.core.fetch.web.http import HttpClient
from support.session import direct
HttpClient(direct(Path(sys.argv[3])), stall_s=5, connections=1).save(sys.argv[1], Path(sys.argv[2]), 10**9)
"""


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(files={"a.mp4": DATA}) as served:
        yield served


@pytest.fixture
def http(tmp_path_factory: pytest.TempPathFactory) -> HttpClient:
    return HttpClient(direct(tmp_path_factory.mktemp("line")), stall_s=0.3, connections=8, back_off_s=0.01)


def begin(http: HttpClient, web: Web, folder: Path) -> None:
    """Fetches half of the file, and fails."""
    web.fault("a.mp4", "truncated", times=1)
    web.fault("a.mp4", 500, after=1)
    with pytest.raises(ItemError):
        http.save(web.url("a.mp4"), folder / "a.mp4", MANY)
    assert (folder / "a.mp4.part").stat().st_size == SIZE // 2
    assert not (folder / "a.mp4").exists()
    web.mend("a.mp4")
    web.requests.clear()


def finish(http: HttpClient, web: Web, folder: Path) -> list[tuple[str | None, int, int]]:
    """Fetches the file; the ranges that were asked for, their status, and the bytes that were sent."""
    saved = http.save(web.url("a.mp4"), folder / "a.mp4", MANY)
    assert saved.file.read_bytes() == web.files["a.mp4"]
    assert (saved.bytes, saved.sha256) == (SIZE, sha256(web.files["a.mp4"]).hexdigest())
    assert list(folder.iterdir()) == [folder / "a.mp4"]
    return [(request.range, request.status, request.sent_bytes) for request in web.requests]


def test_the_next_call_asks_only_for_the_rest(web: Web, http: HttpClient, tmp_path: Path) -> None:
    begin(http, web, tmp_path)
    assert finish(http, web, tmp_path) == [(HALF, 206, SIZE // 2)]


def test_after_a_kill_only_the_rest_is_asked_for(
    web: Web, http: HttpClient, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    web.fault("a.mp4", "slow", 20_000_000, times=1)
    line = tmp_path_factory.mktemp("line")
    part = tmp_path / "a.mp4.part"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, web.url("a.mp4"), str(tmp_path / "a.mp4"), str(line)]
    ) as process:
        while not part.exists() or part.stat().st_size < NOTED_BYTES + 500_000:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    there = part.stat().st_size
    assert NOTED_BYTES < there < SIZE
    web.requests.clear()
    assert finish(http, web, tmp_path) == [(f"bytes={there}-", 206, SIZE - there)]


def test_file_that_was_whole_at_the_kill_is_not_asked_for_at_all(web: Web, http: HttpClient, tmp_path: Path) -> None:
    with PartialFile(tmp_path / "a.mp4", web.url("a.mp4")) as part:
        part.begin(SIZE, '"tag"')
        part.append(DATA)
    assert finish(http, web, tmp_path) == []


def test_whole_file_of_unknown_size_costs_one_question(web: Web, http: HttpClient, tmp_path: Path) -> None:
    tag = web_tag(http, web, tmp_path)
    with PartialFile(tmp_path / "a.mp4", web.url("a.mp4")) as part:
        part.begin(None, tag)
        part.append(DATA)
    web.requests.clear()
    assert finish(http, web, tmp_path) == [(f"bytes={SIZE}-", 416, 0)]


def web_tag(http: HttpClient, web: Web, folder: Path) -> str:
    with http.connections.request("HEAD", web.url("a.mp4"), {}) as response:
        return response.headers["ETag"]


def test_file_that_has_changed_since_is_fetched_again(web: Web, http: HttpClient, tmp_path: Path) -> None:
    begin(http, web, tmp_path)
    web.files["a.mp4"] = DATA[::-1]
    assert finish(http, web, tmp_path) == [(HALF, 200, SIZE)]


def test_server_that_forgot_how_to_give_ranges_gives_the_whole(web: Web, http: HttpClient, tmp_path: Path) -> None:
    begin(http, web, tmp_path)
    web.fault("a.mp4", "no_ranges")
    assert finish(http, web, tmp_path) == [(HALF, 200, SIZE)]


def test_answer_that_does_not_go_on_where_the_part_ends_is_not_appended(
    web: Web, http: HttpClient, tmp_path: Path
) -> None:
    begin(http, web, tmp_path)
    web.fault("a.mp4", "wrong_range", times=1)
    assert [answer[:2] for answer in finish(http, web, tmp_path)] == [(HALF, 206), (None, 200)]


def test_part_without_a_validator_is_dropped(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.fault("a.mp4", "no_validators")
    web.fault("a.mp4", "truncated", times=1)
    assert [status for _, status, _ in finish(http, web, tmp_path)] == [200, 200]


def test_part_that_cannot_be_resumed_is_not_left_there(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.fault("a.mp4", "no_validators")
    web.fault("a.mp4", "truncated")
    with pytest.raises(ItemError):
        http.save(web.url("a.mp4"), tmp_path / "a.mp4", MANY)
    assert list(tmp_path.iterdir()) == []


def test_validator_of_an_earlier_part_is_not_taken_for_that_of_a_later_one(
    web: Web, http: HttpClient, tmp_path: Path
) -> None:
    begin(http, web, tmp_path)
    with PartialFile(tmp_path / "a.mp4", web.url("a.mp4")) as part:
        part.begin(SIZE, None)
        part.append(DATA[::-1])
        (tmp_path / "killed").hardlink_to(part.path)
    (tmp_path / "killed").rename(tmp_path / "a.mp4.part")
    assert finish(http, web, tmp_path) == [(None, 200, SIZE)]


@pytest.mark.parametrize("note", [None, "", '{"url": "torn'])
def test_part_without_a_readable_note_is_dropped(web: Web, http: HttpClient, tmp_path: Path, note: str | None) -> None:
    begin(http, web, tmp_path)
    if note is None:
        (tmp_path / "a.mp4.part.json").unlink()
    else:
        (tmp_path / "a.mp4.part.json").write_text(note)
    assert finish(http, web, tmp_path) == [(None, 200, SIZE)]


def test_part_of_another_address_is_dropped(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files["b.mp4"] = DATA
    begin(http, web, tmp_path)
    assert http.save(web.url("b.mp4"), tmp_path / "a.mp4", MANY).bytes == SIZE
    assert [request.range for request in web.asked("b.mp4")] == [None]


def test_note_does_not_tell_the_address(web: Web, http: HttpClient, tmp_path: Path) -> None:
    begin(http, web, tmp_path)
    assert "a.mp4" not in (tmp_path / "a.mp4.part.json").read_text()
