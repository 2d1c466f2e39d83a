"""Scratch of a task, and local copies of objects in it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.disks import small_disk
from support.s3 import found_at
from support.web import Web

from slurm.errors import ItemError
from stages.core.storage.scratch import VARIABLE, Scratch, open_local_copy, scratch_folder
from stages.core.video.cut.encode import ffmpeg_path
from stages.cut import Config, cut_clip

ROOT = Path(__file__).parents[3]
TASK = (
    "from stages.core.storage.scratch import Scratch, scratch_folder; "
    "s = Scratch(); scratch_folder().joinpath('big').touch(); "
)
WORKER = (
    "import sys; from stages.core.storage.scratch import open_local_copy; "
    "c = open_local_copy(sys.argv[1]); print(c.__enter__(), flush=True); "
)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of a node, on which no task runs."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


@pytest.fixture
def task(node: Path) -> Iterator[Scratch]:
    made = Scratch()
    yield made
    made.close()


@pytest.fixture
def web() -> Iterator[Web]:
    """An S3 API that only gives away films."""
    films = {f"bucket/{name}.mp4": name.encode() * 1000 for name in "abc"}
    with Web(files=films) as server, found_at(f"http://{server.host}"):
        yield server


def fetched(web: Web) -> list[str]:
    return [request.path for request in web.requests if request.method == "GET"]


def run(code: str, *args: str) -> subprocess.Popen[str]:
    """A process that says a word and then waits to be killed."""
    command = [sys.executable, "-c", f"{code} print('here', flush=True); import time; time.sleep(60)", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def killed(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_it_is_made_when_needed_for_its_user_alone_and_removed(node: Path) -> None:
    scratch = Scratch()
    assert list(node.iterdir()) == []
    assert scratch_folder() == scratch.path
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    (scratch_folder() / "deep").mkdir()
    scratch.close()
    assert list(node.iterdir()) == []
    assert VARIABLE not in os.environ


def test_the_job_has_its_say_about_where_it_lies(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given, place in ((tmp_path / "of the job", tmp_path / "of the job"), (tmp_path / "not there", node)):
        (tmp_path / "of the job").mkdir(exist_ok=True)
        monkeypatch.setenv("SLURM_TMPDIR", str(given))
        scratch = Scratch()
        assert scratch.path.parent == place
        scratch.close()


def test_processes_of_a_task_find_it(task: Scratch) -> None:
    code = "from stages.core.storage.scratch import scratch_folder; print(scratch_folder())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(task.path)
    assert task.path.is_dir()


def test_a_process_outside_of_a_task_removes_its_own(node: Path) -> None:
    code = "from stages.core.storage.scratch import scratch_folder; print(scratch_folder().is_dir())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"True\n"
    assert list(node.iterdir()) == []


def test_what_a_killed_task_left_is_removed_by_the_next(node: Path) -> None:
    task = run(TASK)
    assert heard(task) == "here"
    left = list(node.iterdir())
    assert len(left) == 1
    Scratch().close()
    assert list(node.iterdir()) == left  # it lives
    killed(task)
    assert list(node.iterdir()) == left
    Scratch().close()
    assert list(node.iterdir()) == []


def test_what_belongs_to_others_stays(node: Path) -> None:
    task = run(TASK)
    heard(task)
    killed(task)
    (mine,) = node.iterdir()
    start, pid, end = mine.name.rsplit("-", 2)
    host, _, numbering = start.removeprefix("reelmill-").rpartition("-")
    names = {
        f"reelmill-elsewhere-{numbering}-{pid}-{end}",
        f"reelmill-{host}-1-{pid}-{end}",  # of a container
        f"{start}-{os.getpid()}-{end}",
        f"{start}-{end}",
        f"other-{host}-{numbering}-{pid}-{end}",
        "reelmill",
    }
    for name in names:
        (node / name).mkdir()
    precious = node.parent / "precious"
    precious.mkdir()
    (node / f"{start}-{pid}-link").symlink_to(precious)
    if os.getuid() == 0:
        (node / f"{start}-{pid}-theirs").mkdir()
        os.chown(node / f"{start}-{pid}-theirs", 12345, 12345)
        names.add(f"{start}-{pid}-theirs")
    Scratch().close()
    assert {path.name for path in node.iterdir()} == {*names, f"{start}-{pid}-link"}
    assert precious.is_dir()


def test_a_path_is_its_own_copy(task: Scratch) -> None:
    with open_local_copy("/videos/a.mp4") as path:
        assert path == Path("/videos/a.mp4")
    assert not task.path.exists()


def test_an_object_is_brought_once_for_all_who_ask_in_a_row(task: Scratch, web: Web) -> None:
    for _ in range(3):
        with open_local_copy("s3://bucket/a.mp4") as path:
            assert path.read_bytes() == b"a" * 1000
            assert path.suffix == ".mp4"
            assert path.is_relative_to(task.path)
    assert fetched(web) == ["bucket/a.mp4"]


def test_a_copy_is_removed_when_another_is_asked_for(task: Scratch, web: Web) -> None:
    with open_local_copy("s3://bucket/a.mp4") as first:
        pass
    assert first.exists()
    with open_local_copy("s3://bucket/b.mp4") as second:
        assert not first.exists()
    with open_local_copy("/videos/a.mp4"):
        assert second.exists()
    with open_local_copy("s3://bucket/a.mp4") as again:
        assert again.read_bytes() == b"a" * 1000
    assert fetched(web) == ["bucket/a.mp4", "bucket/b.mp4", "bucket/a.mp4"]


def test_copies_in_use_stay_and_threads_share_them(task: Scratch, web: Web) -> None:
    web.fault("bucket/a.mp4", "slow", 5000, only="GET")
    together = threading.Barrier(6, timeout=20)
    seen: list[bytes] = []

    def use(name: str) -> None:
        with open_local_copy(f"s3://bucket/{name}.mp4") as path:
            together.wait()
            seen.append(path.read_bytes())

    users = [threading.Thread(target=use, args=(name,)) for name in "aaaabc"]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert sorted(seen) == sorted(name.encode() * 1000 for name in "aaaabc")
    assert sorted(fetched(web)) == ["bucket/a.mp4", "bucket/b.mp4", "bucket/c.mp4"]


def test_what_a_killed_worker_copied_is_removed_by_the_next(task: Scratch, web: Web) -> None:
    worker = run(WORKER, "s3://bucket/a.mp4")
    left = Path(heard(worker))
    killed(worker)
    assert left.exists()
    worker = run(WORKER, "s3://bucket/b.mp4")
    there = Path(heard(worker))
    assert there.exists()
    assert not left.exists()
    killed(worker)
    task.close()
    assert not there.exists()


def test_objects_that_cannot_be_brought_have_their_codes(task: Scratch, web: Web) -> None:
    web.fault("bucket/b.mp4", 403)
    for name, code in (("gone", "missing"), ("b", "unreadable")):
        with (
            pytest.raises(ItemError, match=f"s3://bucket/{name}.mp4") as caught,
            open_local_copy(f"s3://bucket/{name}.mp4"),
        ):
            raise AssertionError
        assert caught.value.code == code
    web.mend("bucket/b.mp4")
    with open_local_copy("s3://bucket/b.mp4") as path:
        assert path.exists()


def test_an_object_without_room_is_reported_as_a_full_disk(
    node: Path, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.files["bucket/a.mp4"] = b"a" * 3 * 2**20
    with small_disk(tmp_path / "disk", 2) as disk:
        monkeypatch.setenv("SLURM_TMPDIR", str(disk))
        scratch = Scratch()
        with pytest.raises(ItemError, match="2 MiB are free") as caught, open_local_copy("s3://bucket/a.mp4"):
            raise AssertionError
        assert caught.value.code == "disk"
        scratch.close()


def test_an_error_names_the_address_and_not_the_copy(task: Scratch, web: Web) -> None:
    with pytest.raises(ItemError) as caught, open_local_copy("s3://bucket/a.mp4") as path:
        raise ItemError("corrupt", f"{path}: torn")
    assert (caught.value.code, caught.value.detail) == ("corrupt", "s3://bucket/a.mp4: torn")


def test_the_clips_of_a_video_in_an_object_store_are_cut_from_one_copy(task: Scratch, web: Web, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    test = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=2,format=yuv420p"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *test, str(film)], check=True)
    web.files["bucket/film.mp4"] = film.read_bytes()
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "cut.yaml").read_text())
    config = Config(**{key: loaded[key] for key in Config.__dataclass_fields__})
    row: dict[str, object] = {"video_id": "v", "path": "s3://bucket/film.mp4", "fps": 25.0}
    for n in range(2):
        given = {**row, "clip_id": f"v{n}", "start_s": n / 2, "end_s": n / 2 + 0.4}
        assert cut_clip(given, config, tmp_path)["rows"][0]["frames"] == 10
    assert fetched(web) == ["bucket/film.mp4"]


def test_no_copy_outlives_its_task(node: Path, web: Web) -> None:
    for _ in range(2):
        scratch = Scratch()
        with open_local_copy("s3://bucket/a.mp4") as path:
            assert path.is_relative_to(scratch.path)
        scratch.close()
        assert list(node.iterdir()) == []
