"""Transfers of local files, of objects behind a real S3 API or a web server that misbehaves; addresses of the Hub."""

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.disks import small_disk
from support.s3 import S3, found_at
from support.web import Web

from slurm.errors import ItemError
from stages.core.storage.transfer import BLOCK_BYTES, download_file, link_file, resolve_hub_url

BIG = 10**12
FETCH = "import sys; from pathlib import Path; from stages.core.storage.transfer import download_file as fetch; "
FETCH += "fetch(sys.argv[1], Path(sys.argv[2]), 10**12)"
FILM = "s3://bucket/film.mp4"


def code(function: Callable[..., object], *args: object) -> str:
    with pytest.raises(ItemError) as caught:
        function(*args)
    assert str(args[0]).removeprefix("s3://") in caught.value.detail
    return caught.value.code


def random_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as server:
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    """An S3 API that only gives away what is in `files`, and that can be told to do it badly."""
    with Web(files={"bucket/film.mp4": random_bytes(3000)}) as server, found_at(f"http://{server.host}"):
        yield server


def ranges(web: Web) -> list[str | None]:
    return [request.range for request in web.asked("bucket/film.mp4", "GET")]


def test_a_local_file_is_linked_and_not_copied(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "mine.MP4").write_bytes(b"film")
    for _ in range(2):
        linked = link_file(str(tmp_path / "mine.MP4"), tmp_path / "in")
    assert linked.readlink() == tmp_path / "mine.MP4"
    assert linked.suffix == ".MP4"
    assert list((tmp_path / "in").iterdir()) == [linked]


def test_a_link_holds_wherever_it_is_read_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.mp4").write_bytes(b"film")
    assert link_file("mine.mp4", tmp_path).readlink().is_absolute()


def test_local_files_that_cannot_be_read_have_their_codes(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    assert code(link_file, str(tmp_path / "gone.mp4"), tmp_path) == "missing"
    assert code(link_file, str(tmp_path / "empty.mp4"), tmp_path) == "empty"
    assert code(link_file, str(tmp_path / "pipe.mp4"), tmp_path) == "unreadable"
    assert code(link_file, str(tmp_path), tmp_path) == "unreadable"
    assert not (tmp_path / "video.mp4").is_symlink()
    (tmp_path / "mine.mp4").write_bytes(b"film")
    with pytest.raises(ItemError, match="disk"):
        link_file(str(tmp_path / "mine.mp4"), tmp_path / "no folder")


def test_a_file_of_the_hub_has_its_address_and_the_headers_that_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_hush")
    monkeypatch.setenv("HF_ENDPOINT", "https://huggingface.co")  # the Hub's own, whatever another test left
    found = {
        "hf://datasets/org/name/a b/0.mp4": "datasets/org/name/resolve/main/a%20b/0.mp4",
        "hf://datasets/org/name@v1.0/0.mp4": "datasets/org/name/resolve/v1.0/0.mp4",
        "hf://datasets/org/name@refs/convert/parquet/0.mp4": "datasets/org/name/resolve/refs%2Fconvert%2Fparquet/0.mp4",
        "hf://org/model/0.mp4": "org/model/resolve/main/0.mp4",
    }
    for address, path in found.items():
        url, headers = resolve_hub_url(address)
        assert url == f"https://huggingface.co/{path}"
        assert headers["authorization"] == "Bearer hf_hush"


def test_another_hub_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9/")
    assert resolve_hub_url("hf://org/model/0.mp4")[0] == "http://127.0.0.1:9/org/model/resolve/main/0.mp4"


@pytest.mark.parametrize("address", ["hf://", "hf://org", "hf://datasets/org/name", "hf://buckets/org/name/0.mp4"])
def test_what_is_no_file_of_the_hub_is_refused(address: str) -> None:
    with pytest.raises(ItemError, match="bad_value"):
        resolve_hub_url(address)


def test_an_object_is_fetched_whole(s3: S3, tmp_path: Path) -> None:
    content = random_bytes(2 * BLOCK_BYTES + 1000)
    file = download_file(s3.put("films/one.MKV", content), tmp_path, len(content))
    assert file.read_bytes() == content
    assert file.suffix == ".mkv"
    assert list(tmp_path.iterdir()) == [file]


def test_objects_that_cannot_be_fetched_have_their_codes(s3: S3, tmp_path: Path) -> None:
    film, empty = s3.put("folder/film.mp4", b"film"), s3.put("empty.mp4", b"")
    assert code(download_file, f"s3://{s3.bucket}/gone.mp4", tmp_path, BIG) == "removed"
    assert code(download_file, "s3://no-such-bucket/film.mp4", tmp_path, BIG) == "removed"
    assert code(download_file, f"s3://{s3.bucket}/folder", tmp_path, BIG) == "removed"
    assert code(download_file, empty, tmp_path, BIG) == "empty"
    assert code(download_file, film, tmp_path, 3) == "too_large"
    assert code(download_file, "nowhere://x/film.mp4", tmp_path, BIG) == "bad_value"
    s3.lock()
    try:
        assert code(download_file, film, tmp_path, BIG) == "private"
    finally:
        s3.lock(locked=False)
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_not_read(web: Web, tmp_path: Path) -> None:
    assert code(download_file, FILM, tmp_path, 2999) == "too_large"
    assert ranges(web) == []


def test_an_answer_that_ends_too_early_is_asked_for_again(web: Web, tmp_path: Path) -> None:
    web.fault("bucket/film.mp4", "truncated", times=2, only="GET")
    assert download_file(FILM, tmp_path, BIG).read_bytes() == web.files["bucket/film.mp4"]
    assert len(ranges(web)) == 3


@pytest.mark.slow
def test_a_server_that_fails_is_the_network_and_is_asked_again(web: Web, tmp_path: Path) -> None:
    web.fault("bucket/film.mp4", 500, times=2)
    assert download_file(FILM, tmp_path, BIG).read_bytes() == web.files["bucket/film.mp4"]
    web.fault("bucket/film.mp4", 500)
    assert code(download_file, FILM, tmp_path, BIG) == "network"


def test_a_killed_fetch_is_resumed(web: Web, tmp_path: Path) -> None:
    content = web.files["bucket/film.mp4"] = random_bytes(3 * BLOCK_BYTES)
    kill_after_a_block(web, tmp_path)
    assert download_file(FILM, tmp_path, BIG).read_bytes() == content
    assert ranges(web)[0] == f"bytes={BLOCK_BYTES}-{2 * BLOCK_BYTES - 1}"


@pytest.mark.slow
def test_a_killed_fetch_of_a_file_that_changed_starts_again(web: Web, tmp_path: Path) -> None:
    web.files["bucket/film.mp4"] = random_bytes(3 * BLOCK_BYTES)
    kill_after_a_block(web, tmp_path)
    content = web.files["bucket/film.mp4"] = random_bytes(3 * BLOCK_BYTES, seed=2)
    file = download_file(FILM, tmp_path, BIG)
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def kill_after_a_block(web: Web, folder: Path) -> None:
    """Kills a process in the middle of a fetch, when its first block is there; what it asked is forgotten."""
    web.fault("bucket/film.mp4", "slow", 10_000, only="GET", after=1)
    fetching = subprocess.Popen([sys.executable, "-c", FETCH, FILM, str(folder)])
    until_s = time.monotonic() + 30
    while not any(part.stat().st_size >= BLOCK_BYTES for part in folder.glob("*.part")) or len(ranges(web)) < 2:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    fetching.kill()
    fetching.wait()
    assert [part.suffix for part in folder.iterdir()] == [".part"]
    web.mend("bucket/film.mp4")
    web.requests.clear()


@pytest.mark.slow
def test_two_that_fetch_the_same_into_one_folder_do_not_spoil_it(web: Web, tmp_path: Path) -> None:
    content = web.files["bucket/film.mp4"] = random_bytes(2 * BLOCK_BYTES + 1)
    web.fault("bucket/film.mp4", "slow", 8 * BLOCK_BYTES, only="GET")
    fetched: list[str] = []

    def fetch() -> None:
        try:
            fetched.append(str(download_file(FILM, tmp_path, BIG)))
        except ItemError as error:  # the other was first, and took its part away
            fetched.append(error.code)

    both = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in both:
        thread.start()
        time.sleep(0.1)
    for thread in both:
        thread.join()
    assert (tmp_path / "video.mp4").read_bytes() == content
    assert set(fetched) <= {str(tmp_path / "video.mp4"), "disk"}
    assert str(tmp_path / "video.mp4") in fetched


def test_a_disk_without_room_is_reported_before_anything_is_read(web: Web, tmp_path: Path) -> None:
    web.files["bucket/film.mp4"] = random_bytes(3 * 2**20)
    with small_disk(tmp_path / "disk", 2) as disk:
        with pytest.raises(ItemError, match=r"2 MiB are free, 3 MiB more are needed") as caught:
            download_file(FILM, disk, BIG)
        assert caught.value.code == "disk"
    assert ranges(web) == []


def test_a_disk_that_takes_no_more_is_reported_as_such(s3: S3, tmp_path: Path) -> None:
    address = s3.put("three.mp4", random_bytes(3 * 2**20))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(ItemError, match="disk"):
            download_file(address, tmp_path, BIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_passwords_in_an_address_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ItemError) as caught:
        download_file("ftp://me:hush@127.0.0.1:9/film.mp4", tmp_path, BIG)
    assert caught.value.code == "network"
    assert "127.0.0.1:9/film.mp4" in caught.value.detail
    assert "hush" not in caught.value.detail
