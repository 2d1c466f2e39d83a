"""A release that is made again, or goes on after a kill, or grows: the same bytes, and no shard gets another name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.released import NAMES, SMALL, Release, bytes_of, files_of, index_of, make_videos
from support.runs import ROOT, planned, until

from slurm.control.resume import resume
from slurm.control.survey import survey
from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_videos(tmp_path_factory.mktemp("videos"))


def test_whoever_makes_it_makes_the_same_bytes(tmp_path: Path, videos: dict[str, Path]) -> None:
    releases = [Release(tmp_path / place, videos) for place in ("here", "there")]
    for release, workers in zip(releases, (1, 3), strict=True):
        release.pack(f"items.workers={workers}")
    here, there = (bytes_of(release.media) for release in releases)
    assert here == there
    assert len(here) == 12


def test_a_run_that_grows_adds_shards_and_renames_none(tmp_path: Path, videos: dict[str, Path]) -> None:
    release = Release(tmp_path, {name: videos[name] for name in NAMES[:5]})
    release.pack()
    before = bytes_of(release.media)
    release.rows |= Release(tmp_path, videos).rows
    words = release.words()
    assert (
        submit_steps(
            planned("ingest", *(word for word in words if word.startswith(("run", "source", "input"))), "extend=true")
        )
        == 0
    )
    rows = release.pack()
    assert rows["video_id"].to_list() == NAMES
    after = bytes_of(release.media)
    assert before.items() < after.items()
    assert sorted(after.keys() - before.keys())[0] == "data/000/train-000002-0000.parquet"


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path: Path, videos: dict[str, Path]) -> None:
    undisturbed, killed = Release(tmp_path / "a", videos), Release(tmp_path / "b", videos)
    undisturbed.pack()
    pipe = tmp_path / "pipe.mp4"  # opening it takes for ever
    os.mkfifo(pipe)
    killed.rows["v5"]["path"] = str(pipe)
    words = [word for word in killed.words("chunks.flush_s=0", "items.workers=1") if word != SMALL[-1]]
    task = subprocess.Popen([sys.executable, "-m", "stages.package", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    until(lambda: len(files_of(killed.media)) >= 2 and list(killed.media.rglob("*.tmp")))
    kill_tree(task.pid)
    task.wait()
    assert not Step(killed.run, "package").complete()
    whole = {name: content for name, content in bytes_of(killed.media).items() if not name.endswith(".tmp")}
    assert whole.items() < bytes_of(undisturbed.media).items()
    pipe.unlink()
    pipe.write_bytes(videos["v5"].read_bytes())
    until(lambda: not survey(Step(killed.run, "package")).active)
    resume(killed.run)
    until(lambda: Step(killed.run, "package").complete())
    assert bytes_of(killed.media) == bytes_of(undisturbed.media)
    assert killed.table().drop("shard_path").equals(undisturbed.table().drop("shard_path"))


def test_a_row_that_is_tried_again_comes_into_its_shard(tmp_path: Path, videos: dict[str, Path]) -> None:
    undisturbed, mended = Release(tmp_path / "a", videos), Release(tmp_path / "b", videos)
    undisturbed.pack()
    late = tmp_path / "late.mp4"
    mended.rows["v2"]["path"] = str(late)
    mended.pack()
    assert len(index_of(mended.media)) == 7
    late.write_bytes(videos["v2"].read_bytes())
    resume(mended.run, retry=("missing",))
    until(lambda: mended.table()["error"].null_count() == 8)
    assert bytes_of(mended.media) == bytes_of(undisturbed.media)


def kill_tree(pid: int) -> None:
    """Kills a process and all that it started."""
    below = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    os.kill(pid, signal.SIGKILL)
    for child in below.stdout.split():
        kill_tree(int(child))
