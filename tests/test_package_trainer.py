"""A trainer's folder out of a run: whole once its last chunk is, however often it is killed or grows."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support.released import NAMES, Release, bytes_of, make_videos
from support.runs import ROOT, planned, until
from support.trainers import READERS
from test_package_again import kill_tree

from slurm.control.resume import resume
from slurm.control.survey import survey
from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps

FORM = (
    "format=trainer", "format.media=path", "format.caption_column=title", "format.buckets=[64x32x9,64x32x17]",
    "format.validation_share=0.3", "cluster.executor=debug",
)  # fmt: skip


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_videos(tmp_path_factory.mktemp("videos"))


def ids(folder: Path) -> list[str]:
    return [sample.caption.removeprefix("Title of ") for sample in READERS["ltx"](folder)]


def test_every_video_is_in_one_part_and_stays_there_as_the_run_grows(tmp_path: Path, videos: dict[str, Path]) -> None:
    release = Release(tmp_path, {name: videos[name] for name in NAMES[:5]}, FORM)
    rows = release.pack()
    before = bytes_of(release.media)
    parts = {part: ids(release.media / part) for part in ("train", "validation")}
    assert sorted([*parts["train"], *parts["validation"]]) == NAMES[:5]
    for name, shard in rows.select("video_id", "shard").rows():
        assert (release.media / shard).read_bytes() == videos[name].read_bytes()
    release.rows |= Release(tmp_path, videos).rows
    words = [word for word in release.words() if word.startswith(("run", "source", "input"))]
    assert submit_steps(planned("ingest", *words, "extend=true")) == 0
    release.pack()
    after = bytes_of(release.media)
    changed = {name for name in before if after.get(name) != before[name]}
    assert {"clips.csv", "plan.txt", "train/videos.txt"} <= changed
    assert all(name.endswith((".csv", ".txt", ".jsonl")) for name in changed), "the files of the whole folder alone"
    grown = {part: ids(release.media / part) for part in parts}
    assert sorted([*grown["train"], *grown["validation"]]) == NAMES
    assert all(grown[part][: len(parts[part])] == parts[part] for part in parts)
    assert pl.read_csv(release.media / "clips.csv")["id"].to_list() == NAMES


def test_a_run_that_was_killed_goes_on_to_the_same_folder(tmp_path: Path, videos: dict[str, Path]) -> None:
    undisturbed, killed = Release(tmp_path / "a", videos, FORM), Release(tmp_path / "b", videos, FORM)
    undisturbed.pack()
    pipe = tmp_path / "pipe.mp4"  # opening it takes for ever
    os.mkfifo(pipe)
    killed.rows["v5"]["path"] = str(pipe)
    words = [word for word in killed.words("chunks.flush_s=0", "items.workers=1") if word != FORM[-1]]
    task = subprocess.Popen([sys.executable, "-m", "stages.package", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    until((killed.media / "lists" / "000" / "000000.parquet").exists)
    kill_tree(task.pid)
    task.wait()
    assert not (killed.media / "plan.txt").exists()
    pipe.unlink()
    pipe.write_bytes(videos["v5"].read_bytes())
    until(lambda: not survey(Step(killed.run, "package")).active)
    resume(killed.run)
    until(lambda: Step(killed.run, "package").complete())
    assert bytes_of(killed.media) == bytes_of(undisturbed.media)


def test_a_folder_whose_lists_were_not_together_when_its_task_was_killed_gets_them(
    tmp_path: Path, videos: dict[str, Path]
) -> None:
    release = Release(tmp_path, {name: videos[name] for name in NAMES[:2]}, FORM)
    late = tmp_path / "late.mp4"
    release.rows["v1"]["path"] = str(late)
    release.pack("chunks.max_error_share=1")
    assert len(pl.read_csv(release.media / "clips.csv")) == 1
    late.write_bytes(videos["v1"].read_bytes())
    resume(release.run, retry=("missing",))
    until(lambda: release.table()["error"].null_count() == 2)
    assert pl.read_csv(release.media / "clips.csv")["id"].to_list() == NAMES[:2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["format.layout=kohya"], r"^steps\.package\.format\.layout: Input should be .*'musubi'"),
        (["format.caption_column=titel"], r"\(format\.caption_column\) needs 'titel'.*they give title"),
        (["format.caption_column=bytes"], r"format\.caption_column=bytes: it is of type Int64, not text"),
        (["format.buckets=[64x30x9]"], r"format\.buckets: the sides of 64x30x9 are no multiples of 32"),
        (["format.validation_share=1"], r"format\.validation_share"),
        (["format.batch=0"], r"format\.batch"),
    ],
)
def test_what_cannot_be_a_trainers_folder_is_refused_by_its_key(
    tmp_path: Path, videos: dict[str, Path], words: list[str], told: str
) -> None:
    key = words[0].partition("=")[0]
    release = Release(tmp_path, {"v0": videos["v0"]}, [word for word in FORM if not word.startswith(f"{key}=")])
    with pytest.raises(InputError, match=told):
        submit_steps(planned("package", *release.words(*words)))
    assert not (release.run / "package").exists()
