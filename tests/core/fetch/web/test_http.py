"""Files of a web server that fails in every way, whole or in ranges; what was fetched once is not fetched again."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from support.session import direct
from support.web import Web

from slurm.errors import ItemError
from stages.core.fetch.web.http import TRIES, HttpClient

DATA = random.Random(3).randbytes(4_000_000)
SIZE = len(DATA)
MANY = 10**9


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(files={"a.mp4": DATA, "empty.mp4": b""}) as served:
        yield served


@pytest.fixture
def http(tmp_path_factory: pytest.TempPathFactory) -> HttpClient:
    return HttpClient(direct(tmp_path_factory.mktemp("line")), stall_s=0.3, connections=8, back_off_s=0.01)


@pytest.fixture
def patient(tmp_path_factory: pytest.TempPathFactory) -> HttpClient:
    """A client that does not ask again because the machine is busy."""
    return HttpClient(direct(tmp_path_factory.mktemp("line")), stall_s=30, connections=8, back_off_s=0.01)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ItemError) as caught:
        call()
    assert "http://" in caught.value.detail
    return caught.value.code


def ranges(web: Web) -> list[str | None]:
    return [request.range for request in web.asked("a.mp4")]


def fetch_whole(http: HttpClient, web: Web, folder: Path) -> None:
    saved = http.save(web.url("a.mp4"), folder / "a.mp4", MANY)
    assert (saved.file, saved.bytes, saved.sha256) == (folder / "a.mp4", SIZE, sha256(web.files["a.mp4"]).hexdigest())
    assert saved.file.read_bytes() == web.files["a.mp4"]
    assert list(folder.iterdir()) == [saved.file]


def test_size_is_asked_for_without_the_file(web: Web, http: HttpClient) -> None:
    assert (http.size(web.url("a.mp4")), http.size(web.url("empty.mp4"))) == (SIZE, 0)
    assert [(request.method, request.sent_bytes) for request in web.requests] == [("HEAD", 0)] * 2


@pytest.mark.parametrize("refusal", [403, 405, 501])
def test_size_costs_a_byte_where_head_is_refused(web: Web, http: HttpClient, refusal: int) -> None:
    for name, size in (("a.mp4", SIZE), ("empty.mp4", 0)):
        web.fault(name, refusal, only="HEAD")
        assert http.size(web.url(name)) == size
        assert sum(request.sent_bytes for request in web.asked(name)) == min(1, size)


def test_size_that_no_answer_tells_is_an_error_and_not_a_guess(web: Web, http: HttpClient) -> None:
    web.fault("a.mp4", "chunked")
    web.fault("a.mp4", "no_ranges")
    assert code(lambda: http.size(web.url("a.mp4"))) == "other"


def test_range_is_read_exactly_and_over_one_connection(web: Web, http: HttpClient) -> None:
    for start, end in ((0, 1), (5, 1000), (SIZE - 1, SIZE), (0, SIZE)):
        assert http.read(web.url("a.mp4"), start, end) == DATA[start:end]
    assert http.read(web.url("a.mp4"), 7, 7) == b""
    assert ranges(web) == ["bytes=0-0", "bytes=5-999", f"bytes={SIZE - 1}-{SIZE - 1}", f"bytes=0-{SIZE - 1}"]
    assert len({request.client for request in web.requests}) == 1


@pytest.mark.parametrize("fault", ["no_ranges", "wrong_range"])
def test_server_that_gives_another_range_is_not_listened_to(web: Web, patient: HttpClient, fault: str) -> None:
    web.files["a.mp4"] = bytes(50_000_000)
    web.fault("a.mp4", fault)
    assert code(lambda: patient.read(web.url("a.mp4"), 10, 40_000_000)) == "network"
    time.sleep(0.1)
    assert [request.sent_bytes < 20_000_000 for request in web.requests] == [True]


def test_range_beyond_the_end_is_an_error(web: Web, http: HttpClient) -> None:
    assert code(lambda: http.read(web.url("a.mp4"), SIZE - 5, SIZE + 5)) == "network"
    assert code(lambda: http.read(web.url("a.mp4"), SIZE, SIZE + 5)) == "network"


def test_tail_and_size_come_with_one_request(web: Web, http: HttpClient) -> None:
    assert http.tail(web.url("a.mp4"), 70_000) == (DATA[-70_000:], SIZE)
    assert http.tail(web.url("a.mp4"), SIZE + 1) == (DATA, SIZE)
    assert http.tail(web.url("empty.mp4"), 5) == (b"", 0)
    assert len(web.requests) == 3


def test_tail_of_a_server_that_counts_only_from_the_front(web: Web, http: HttpClient) -> None:
    web.fault("a.mp4", "no_suffix")
    assert http.tail(web.url("a.mp4"), 5) == (DATA[-5:], SIZE)
    assert ranges(web) == ["bytes=-5", f"bytes={SIZE - 5}-{SIZE - 1}"]


def test_stream_goes_on_where_the_connection_was_lost(web: Web, http: HttpClient) -> None:
    web.fault("a.mp4", "truncated", times=1)
    web.fault("a.mp4", "dropped", times=1, after=1)
    assert b"".join(http.stream(web.url("a.mp4"), 1000, 3001000)) == DATA[1000:3001000]
    assert ranges(web) == ["bytes=1000-3000999", "bytes=1501000-3000999", "bytes=1501000-3000999"]


def test_range_that_ends_too_early_is_resumed(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.fault("a.mp4", "wrong_length", 100, times=1)
    assert http.read(web.url("a.mp4"), 1000, 2000) == DATA[1000:2000]
    web.fault("a.mp4", "truncated", times=1)
    web.fault("a.mp4", "wrong_length", 100, times=1, after=1)
    fetch_whole(http, web, tmp_path)
    assert ranges(web)[1:] == ["bytes=1100-1999", None, f"bytes={SIZE // 2}-", f"bytes={SIZE // 2 + 100}-"]


def test_stream_does_not_go_on_with_another_file(web: Web, http: HttpClient) -> None:
    stream = http.stream(web.url("a.mp4"), 0, SIZE)
    web.fault("a.mp4", "truncated", times=1)
    first = next(stream)
    web.files["a.mp4"] = DATA[::-1]
    assert code(lambda: list(stream)) == "network"
    assert DATA.startswith(first)


def test_stream_that_is_not_read_to_its_end_lets_its_connection_go(web: Web, http: HttpClient) -> None:
    web.fault("a.mp4", "slow", 1_000_000)
    stream = http.stream(web.url("a.mp4"), 0, SIZE)
    next(stream)
    stream.close()
    time.sleep(0.3)
    sent = web.requests[0].sent_bytes
    time.sleep(0.2)
    assert sent == web.requests[0].sent_bytes < SIZE


def test_saved_file_is_whole_and_nothing_else_is_left(web: Web, http: HttpClient, tmp_path: Path) -> None:
    fetch_whole(http, web, tmp_path)
    assert [(request.range, request.headers["accept-encoding"]) for request in web.requests] == [(None, "identity")]
    assert http.save(web.url("empty.mp4"), tmp_path / "empty.mp4", MANY).bytes == 0


@pytest.mark.parametrize("fault", ["chunked", "no_ranges", "no_validators", "changing", "gzip"])
def test_oddity_that_does_no_harm_is_met_with_one_request(
    web: Web, http: HttpClient, tmp_path: Path, fault: str
) -> None:
    web.fault("a.mp4", fault)
    fetch_whole(http, web, tmp_path)
    assert len(web.requests) == 1


@pytest.mark.parametrize("faults", [["truncated"], ["stalled"], ["chunked", "truncated"]])
def test_short_file_is_not_counted_but_resumed(web: Web, http: HttpClient, tmp_path: Path, faults: list[str]) -> None:
    for fault in faults:
        web.fault("a.mp4", fault, times=1)
    fetch_whole(http, web, tmp_path)
    assert ranges(web) == [None, f"bytes={SIZE // 2}-"]
    assert sum(request.sent_bytes for request in web.requests) == SIZE
    assert web.requests[1].at_s - web.requests[0].at_s < 5


@pytest.mark.parametrize("fault", ["dropped", 500, 502, 503, 504, 408])
def test_fault_that_passes_is_waited_for(web: Web, http: HttpClient, tmp_path: Path, fault: str | int) -> None:
    web.fault("a.mp4", fault, times=TRIES - 1)
    fetch_whole(http, web, tmp_path)
    assert len(web.requests) == TRIES


def test_fault_that_stays_is_an_error_after_a_few_tries(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.fault("a.mp4", 502)
    assert code(lambda: http.save(web.url("a.mp4"), tmp_path / "a.mp4", MANY)) == "network"
    assert len(web.requests) == TRIES
    assert list(tmp_path.iterdir()) == []


def test_progress_earns_more_tries(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.fault("a.mp4", "truncated", times=6)
    fetch_whole(http, web, tmp_path)
    assert len(web.requests) == 7
    assert sum(request.sent_bytes for request in web.requests) == SIZE


def test_fetching_the_same_half_again_and_again_is_no_progress(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.fault("a.mp4", "truncated")
    web.fault("a.mp4", "no_ranges")
    assert code(lambda: http.save(web.url("a.mp4"), tmp_path / "a.mp4", MANY)) == "network"
    assert len(web.requests) == TRIES


def test_slow_server_is_waited_for_as_long_as_it_sends(web: Web, http: HttpClient) -> None:
    web.fault("a.mp4", "slow", 100_000)
    assert http.read(web.url("a.mp4"), 0, 60_000) == DATA[:60_000]
    assert len(web.requests) == 1


def test_length_that_was_announced_wrongly_is_put_right_by_the_server(
    web: Web, http: HttpClient, tmp_path: Path
) -> None:
    web.fault("a.mp4", "wrong_length", SIZE + 1000, times=1)
    fetch_whole(http, web, tmp_path)
    assert [request.status for request in web.requests] == [200, 416]


def test_file_above_the_limit_is_refused_before_it_is_read(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files["a.mp4"] = bytes(50_000_000)
    assert code(lambda: http.save(web.url("a.mp4"), tmp_path / "a.mp4", 40_000_000)) == "too_large"
    time.sleep(0.1)
    assert web.requests[0].sent_bytes < 20_000_000
    assert list(tmp_path.iterdir()) == []


def test_file_of_unknown_size_is_refused_as_soon_as_it_is_above_the_limit(
    web: Web, http: HttpClient, tmp_path: Path
) -> None:
    web.fault("a.mp4", "chunked")
    assert code(lambda: http.save(web.url("a.mp4"), tmp_path / "a.mp4", SIZE - 1)) == "too_large"
    assert list(tmp_path.iterdir()) == []
    assert http.save(web.url("a.mp4"), tmp_path / "a.mp4", SIZE).bytes == SIZE


def test_disk_that_is_full_is_reported_as_such(web: Web, http: HttpClient, tmp_path: Path) -> None:
    (tmp_path / "a.mp4.part").symlink_to("/dev/full")
    with pytest.raises(ItemError, match=r"No space left") as caught:
        http.save(web.url("a.mp4"), tmp_path / "a.mp4", MANY)
    assert caught.value.code == "disk"


def test_threads_share_connections(web: Web, patient: HttpClient, tmp_path: Path) -> None:
    web.files |= {f"{number}.mp4": DATA[number : number + 50_000] for number in range(80)}
    with ThreadPoolExecutor(8) as threads:
        saved = list(threads.map(lambda n: patient.save(web.url(f"{n}.mp4"), tmp_path / f"{n}.mp4", MANY), range(80)))
    assert [one.sha256 for one in saved] == [sha256(DATA[n : n + 50_000]).hexdigest() for n in range(80)]
    assert len({request.client for request in web.requests}) <= 8
