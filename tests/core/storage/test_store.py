"""The store: files are complete or invisible, in folders and behind a real S3 API."""

import base64
import os
import random
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from support.disks import small_disk
from support.s3 import S3, found_at

from slurm.errors import InputError, ItemError
from stages.core.storage.objects import PART_BYTES
from stages.core.storage.scratch import Scratch
from stages.core.storage.store import Store, check, file_name

PUT = (
    "import sys; from pathlib import Path; "
    "from stages.core.storage.store import Store; Store(sys.argv[1]).put(Path({}), 'v')"
)
ODD_IDS = ["", ".", "..", ".partial", "a/b", "../a", "a b", "ü", "日本", "a\nb", "x" * 300, "x" * 299 + "y", "-", "CON"]


def made(path: Path, size: int, seed: int = 1) -> Path:
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def code(function: Callable[..., object], *args: object) -> str:
    with pytest.raises(ItemError) as caught:
        function(*args)
    assert "secret-of-the-tests" not in caught.value.detail
    return caught.value.code


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as server:
        yield server


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scratch]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made_here = Scratch()
    yield made_here
    made_here.close()


@pytest.mark.parametrize("video_id", ["dQw4w9WgXcQ", "-_-", "_a.b-c", "x" * 120])
def test_an_id_that_is_a_plain_file_name_stays_what_it_is(video_id: str) -> None:
    assert file_name(video_id) == video_id


def test_other_ids_are_quoted_and_stay_apart(tmp_path: Path) -> None:
    store, work = Store(str(tmp_path)), tmp_path / "work.mp4"
    for video_id in ODD_IDS:
        work.write_text(video_id)
        store.put(work, video_id)
        store.write_beside(video_id, video_id)
    assert [store.read_beside(video_id) for video_id in ODD_IDS] == ODD_IDS
    found = files_below(tmp_path)
    assert len(found) == 2 * len(ODD_IDS)
    assert all(len(Path(path).parts) == 2 and path[2] == "/" for path in found)
    assert len({file_name(video_id) for video_id in ODD_IDS}) == len(ODD_IDS)
    assert file_name("a/b: c").startswith("a-b-c-")


def test_a_file_is_moved_into_its_videos_folder(tmp_path: Path) -> None:
    store = Store(f"{tmp_path}/store/")
    expected = tmp_path / "store" / sha256(b"v").hexdigest()[:2] / "v.mkv"
    with store.work_folder("v") as work:
        assert work.stat().st_dev == tmp_path.stat().st_dev
        assert work.is_relative_to(tmp_path / "store")
        file = made(work / "whatever.MKV", 1000)
        content = file.read_bytes()
        assert store.address(file, "v") == str(expected)
        assert store.size(str(expected)) is None
        assert store.put(file, "v") == str(expected)
    assert expected.read_bytes() == content
    assert store.size(str(expected)) == 1000
    store.remove_work("v")
    assert files_below(tmp_path / "store") == [str(expected.relative_to(tmp_path / "store"))]
    assert not work.parent.exists()


@pytest.mark.parametrize("name", ["film", "film.exe", "film.mp4?x=1"])
def test_a_file_without_a_videos_suffix_gets_one(tmp_path: Path, name: str) -> None:
    assert Path(Store(str(tmp_path)).put(made(tmp_path / name, 10), "v")).name == "v.video"


def test_a_link_is_put_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(made(tmp_path / "mine.mp4", 100))
    put = Path(Store(str(tmp_path / "store")).put(tmp_path / "link.mp4", "v"))
    assert put.is_symlink()
    assert put.read_bytes() == (tmp_path / "mine.mp4").read_bytes()


def test_a_text_beside_a_video_is_replaced_as_a_whole(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert store.read_beside("v") is None
    for text in ("first, long", "zweiter"):
        store.write_beside("v", text)
        assert store.read_beside("v") == text
    assert len(files_below(tmp_path)) == 1


@pytest.mark.slow
def test_two_processes_that_put_the_same_video_leave_one_whole(tmp_path: Path) -> None:
    size, root = 20 * 2**20, tmp_path / "store"
    files = [made(tmp_path / f"{n}.mp4", size, seed=n) for n in range(2)]
    contents = [file.read_bytes() for file in files]
    putting = [subprocess.Popen([sys.executable, "-c", PUT.format(f"'{file}'"), str(root)]) for file in files]
    target, seen = Path(Store(str(root)).address(files[0], "v")), set()
    while any(process.poll() is None for process in putting):
        seen.add(target.stat().st_size if target.exists() else None)
    assert [process.returncode for process in putting] == [0, 0]
    assert seen <= {None, size}
    assert target.read_bytes() in contents
    assert len(files_below(root)) == 1


def test_a_full_disk_is_reported_as_such(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        made(disk / "filler", 2**20 - 8192)
        store = Store(str(disk / "store"))
        assert code(store.write_beside, "v", "x" * 50_000) == "disk"
        assert store.read_beside("v") is None
        assert files_below(disk) == ["filler"]


def test_a_folder_that_cannot_be_written_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(str(tmp_path / "file"))
    assert code(store.work_folder("v").__enter__) == "disk"
    assert code(store.put, made(tmp_path / "v.mp4", 10), "v") == "disk"
    assert code(store.write_beside, "v", "text") == "disk"
    assert (tmp_path / "v.mp4").exists()


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("videos", r"store\.root=videos: not an absolute path"),
        ("/dev/null/videos", r"store\.root=.*: /dev/null is not a folder"),
        ("nowhere://x", r"store\.root=nowhere://x: nowhere:// is none of s3"),
        ("sftp://me:hush@host/x", r"store\.root=sftp://host/x: sftp:// is none of .* give it as a folder"),
        ("s3://", r"store\.root=s3://: it names no bucket"),
        ("gs://bucket/x", r"store\.root=gs://bucket/x: it needs the package gcsfs: pip install gcsfs"),
    ],
)
def test_a_root_that_cannot_be_is_refused_before_anything_is_asked(root: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check(root)


def test_a_root_that_can_be_is_not_made_by_the_check(tmp_path: Path) -> None:
    check(str(tmp_path / "not" / "yet"))
    check("s3://bucket/videos")
    assert list(tmp_path.iterdir()) == []
    with small_disk(tmp_path / "disk", 1) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(InputError, match=r"store\.root=.*no permission to write in"):
            check(str(disk / "x"))


@pytest.mark.parametrize("size", [1000, 2 * PART_BYTES + 6_000_000])
def test_an_object_arrives_whole_with_the_checksum_of_all_of_it(
    s3: S3, scratch: Scratch, tmp_path: Path, size: int
) -> None:
    store = Store(f"s3://{s3.bucket}/made")
    with store.work_folder("whole") as work:
        file = made(work / "whole.mp4", size)
        assert file.is_relative_to(scratch.path)
        key = f"made/{sha256(b'whole').hexdigest()[:2]}/whole.mp4"
        address = store.put(file, "whole")
        assert address == store.address(file, "whole") == f"s3://{s3.bucket}/{key}"
        assert s3.get(key) == file.read_bytes()
        assert store.size(address) == size
        head, parts = s3.head(key), 3 if size > PART_BYTES else 1
        assert head["ETag"].endswith('-3"') == (parts == 3)
        assert head["ChecksumCRC32"] == base64.b64encode(zlib.crc32(file.read_bytes()).to_bytes(4)).decode()
    store.remove_work("whole")
    assert not file.exists()
    assert store.size(address + "x") is None


def test_a_store_that_knows_no_checksums_is_asked_for_none(s3: S3, tmp_path: Path) -> None:
    file = made(tmp_path / "plain.mp4", 2 * PART_BYTES + 1)
    with found_at(s3.url, AWS_REQUEST_CHECKSUM_CALCULATION="when_required"):
        address = Store(f"s3://{s3.bucket}").put(file, "plain")
    key = address.removeprefix(f"s3://{s3.bucket}/")
    assert s3.get(key) == file.read_bytes()
    assert "ChecksumCRC32" not in s3.head(key)


def test_a_text_beside_an_object_is_replaced(s3: S3) -> None:
    store = Store(f"s3://{s3.bucket}/texts")
    assert store.read_beside("v") is None
    for text in ("first", "zweiter ü"):
        store.write_beside("v", text)
        assert store.read_beside("v") == text
    assert [key for key in s3.names() if key.startswith("texts/")] == [f"texts/{sha256(b'v').hexdigest()[:2]}/v.json"]


@pytest.mark.slow
def test_what_changed_while_it_was_sent_is_sent_again(s3: S3, tmp_path: Path) -> None:
    file, store = made(tmp_path / "changing.mp4", 4 * PART_BYTES), Store(f"s3://{s3.bucket}/changing")
    putting = threading.Thread(target=store.put, args=(file, "v"))
    putting.start()
    wait_for_a_part(s3)
    with file.open("r+b") as content:
        content.write(b"changed")
    putting.join()
    key = store.address(file, "v").removeprefix(f"s3://{s3.bucket}/")
    assert s3.get(key)[:7] == b"changed"


@pytest.mark.slow
def test_a_kill_in_the_middle_of_an_upload_leaves_nothing_to_be_seen(s3: S3, tmp_path: Path) -> None:
    with (tmp_path / "big.mp4").open("wb") as big:
        big.truncate(40 * PART_BYTES)
    before, root = s3.names(), f"s3://{s3.bucket}/killed"
    putting = subprocess.Popen([sys.executable, "-c", PUT.format(f"'{big.name}'"), root])
    wait_for_a_part(s3)
    putting.kill()
    putting.wait()
    time.sleep(0.3)  # what it had sent is worked off
    s3.drop_uploads()
    assert s3.names() == before
    assert Store(root).size(Store(root).address(Path(big.name), "v")) is None
    address = Store(root).put(made(tmp_path / "small.mp4", 1000), "v")
    assert Store(root).size(address) == 1000


def wait_for_a_part(s3: S3) -> None:
    until_s = time.monotonic() + 30
    while not s3.parts():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_missing_bucket_is_reported_before_anything_is_fetched(s3: S3, tmp_path: Path) -> None:
    store, file = Store("s3://no-such-bucket/x"), made(tmp_path / "v.mp4", 1000)
    assert code(store.read_beside, "v") == "disk"
    assert code(store.write_beside, "v", "text") == "disk"
    assert code(store.put, file, "v") == "disk"


def test_a_wrong_key_is_reported_and_not_shown(s3: S3, tmp_path: Path) -> None:
    store, file = Store(f"s3://{s3.bucket}"), made(tmp_path / "v.mp4", 1000)
    s3.lock()
    try:
        assert code(store.read_beside, "v") == code(store.size, store.address(file, "v")) == "disk"
        assert code(store.put, file, "v") == "disk"
    finally:
        s3.lock(locked=False)
    with found_at(s3.url):
        del os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        assert code(store.put, file, "v") == "disk"


def test_a_store_that_does_not_answer_is_the_network(tmp_path: Path) -> None:
    with found_at("http://127.0.0.1:9"):
        assert code(Store("s3://videos").put, made(tmp_path / "v.mp4", 1000), "v") == "network"
