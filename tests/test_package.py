"""The stage over whole videos: what a release holds, what fails a row; whoever makes it makes the same bytes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from support.released import annotation, files_of, index_of, make_video, write_dataset
from support.runs import ROOT, command, planned, until

from slurm.control.resume import resume
from slurm.control.survey import survey
from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps
from stages.core.video.cut.encode import ffmpeg_path

SMALL = ("format=finevideo", "format.row_group_mb=0.1", "cluster.executor=debug")
NAMES = [f"v{number}" for number in range(8)]


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Eight videos of about 40 kB, by their ids."""
    folder = tmp_path_factory.mktemp("videos")
    return {name: make_video(folder / f"{name}.mp4", noise=20 + number) for number, name in enumerate(NAMES)}


class Release:
    """A run that packs a list of videos; `rows` may be changed before it is packed."""

    def __init__(self, folder: Path, videos: dict[str, Path]) -> None:
        self.folder, self.list = folder, folder / "list.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        self.rows: dict[str, dict[str, Any]] = {
            name: {"video_id": name, "path": str(file), "bytes": file.stat().st_size, "title": f"Title of {name}"}
            for name, file in videos.items()
        }
        self.run = folder / "runs" / "r"

    def words(self, *more: str) -> list[str]:
        pl.DataFrame([*self.rows.values()]).write_parquet(self.list)
        own = ["run=r", f"runs={self.folder / 'runs'}", "source=urls", f"input.path={self.list}", "after=ingest"]
        return [*own, "chunks.size=4", "shard_gb=0.0001", *SMALL, *more]

    def pack(self, *more: str) -> pl.DataFrame:
        """All rows of the step, once it is done."""
        assert submit_steps(planned("package", *self.words(*more))) == 0
        return self.table()

    def table(self) -> pl.DataFrame:
        rows = Step(self.run, "package").scan()
        assert rows is not None
        return rows.collect()

    @property
    def media(self) -> Path:
        return self.run / "package" / "media"


def test_a_dataset_that_is_read_and_packed_again_has_the_same_rows(tmp_path: Path, videos: dict[str, Path]) -> None:
    three = {name: videos[name] for name in NAMES[:3]}
    bare: dict[str, object] = {
        "youtube_tags": [],
        "timecoded_text_to_speech": [],
        "content_metadata": annotation("v1", full=False),
    }
    odd: dict[str, object] = {
        "youtube_title": "NA",
        "youtube_description": "",
        "resolution": "640x360",
        "duration_seconds": 2,
    }
    source = write_dataset(tmp_path / "in", three, v1=bare, v2=odd)
    words = ["run=r", f"runs={tmp_path}", "source=finevideo", f"input.path={source}", "source.annotations=true"]
    assert submit_steps(planned("package", *words, "after=download", *SMALL)) == 0
    given = pq.read_table(source).to_pylist()
    (file,) = files_of(tmp_path / "r" / "package" / "media")
    made = pq.read_table(file).to_pylist()
    assert [row["mp4"] for row in made] == [row["mp4"] for row in given]
    assert [row["json"] for row in made] == [row["json"] for row in given]
    kinds = [pq.read_schema(path) for path in (file, *source.iterdir())]
    assert kinds[0].field("mp4").type == kinds[1].field("mp4").type
    assert str(kinds[0].field("json").type.field("content_metadata").type.field("scenes").type).startswith("list<")


def test_what_no_step_gives_is_null(tmp_path: Path, videos: dict[str, Path]) -> None:
    release = Release(tmp_path, {"v0": videos["v0"]})
    release.pack()
    (file,) = files_of(release.media)
    (row,) = pq.read_table(file).to_pylist()
    known = {name: value for name, value in row["json"].items() if value is not None}
    assert known == {"youtube_title": "Title of v0", "original_video_filename": "v0.mp4"}


def test_shards_are_named_by_their_chunk_and_hold_what_fits(tmp_path: Path, videos: dict[str, Path]) -> None:
    release = Release(tmp_path, videos)
    rows = release.pack()
    files = files_of(release.media)
    assert rows["video_id"].to_list() == NAMES
    names = [file.relative_to(release.media).as_posix() for file in files]
    assert names == [f"data/000/train-{chunk:06d}-{number:04d}.parquet" for chunk in (0, 1) for number in (0, 1)]
    assert rows["shard"].to_list() == [name for name in names for _ in range(2)]
    assert all(pq.read_metadata(file).num_rows == 2 for file in files)
    checked = subprocess.run(
        ["sha256sum", "-c", *sorted(release.media.glob("index/*/*.sha256"))],
        cwd=release.media,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout.count(b": OK")) == (0, 4)


def test_the_index_tells_where_the_bytes_of_each_video_lie(tmp_path: Path, videos: dict[str, Path]) -> None:
    release = Release(tmp_path, videos)
    rows = release.pack()
    index = index_of(release.media)
    assert index["id"].to_list() == NAMES
    assert index["sha256"].to_list() == rows["media_sha256"].to_list()
    for place in index.to_dicts():
        file = pq.ParquetFile(release.media / place["file"])
        content = videos[place["id"]].read_bytes()
        assert file.read_row_group(place["row_group"])["mp4"][place["row"]].as_py() == content
        with (release.media / place["file"]).open("rb") as opened:
            opened.seek(place["offset"])
            assert opened.read(place["bytes"]) == content


FAULTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "gone": ("missing", lambda file: file.unlink()),
    "longer": ("changed", lambda file: file.write_bytes(file.read_bytes() + b"x")),
    "empty": ("empty", lambda file: file.write_bytes(b"")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_gone_or_another_one_fails_its_row_only(
    tmp_path: Path, videos: dict[str, Path], fault: str
) -> None:
    own = make_video(tmp_path / "own.mp4")
    release = Release(tmp_path, {"v0": videos["v0"], "own": own, "v1": videos["v1"]})
    code, change = FAULTS[fault]
    release.words()
    change(own)
    rows = release.pack("chunks.max_error_share=1")
    assert rows["error"].to_list() == [None, code, None]
    assert str(own) in rows["error_detail"][1]
    assert rows["shard"].null_count() == 1
    assert index_of(release.media)["id"].to_list() == ["v0", "v1"]


def test_a_video_that_was_changed_after_its_download_is_told_by_its_checksum(
    tmp_path: Path, videos: dict[str, Path]
) -> None:
    source = write_dataset(tmp_path / "in", {name: videos[name] for name in NAMES[:2]})
    words = ["run=r", f"runs={tmp_path}", "source=finevideo", f"input.path={source}", "cluster.executor=debug"]
    assert submit_steps(planned("download", *words)) == 0
    path = Path(Step(tmp_path / "r", "download").kept().select("path").collect().item(1, 0))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert submit_steps(planned("package", *words, "after=download", *SMALL)) == 0
    rows = Step(tmp_path / "r", "package").scan()
    assert rows is not None
    assert rows.select("error").collect().to_series().to_list() == [None, "changed"]


def test_a_video_with_frames_that_no_player_shows_is_refused(tmp_path: Path, videos: dict[str, Path]) -> None:
    long, cut = make_video(tmp_path / "long.mp4", 4.0), tmp_path / "cut.mp4"
    words = ["-v", "error", "-ss", "1.3", "-i", str(long), "-c", "copy", str(cut)]
    subprocess.run([ffmpeg_path(), "-nostdin", *words], check=True)
    rows = Release(tmp_path, {"v0": videos["v0"], "cut": cut, "long": long}).pack("chunks.max_error_share=1")
    assert rows["error"].to_list() == [None, "hidden_frames", None]
    assert "release what cut makes of it" in rows["error_detail"][1]


def test_a_shard_of_which_nothing_is_left_is_not_there(tmp_path: Path, videos: dict[str, Path]) -> None:
    lost = dict.fromkeys(NAMES[2:4], tmp_path / "gone.mp4")
    for file in lost.values():
        make_video(file, noise=22)
    release = Release(tmp_path, {**videos, **lost})
    release.words()
    (tmp_path / "gone.mp4").unlink()
    rows = release.pack()
    assert rows["error"].to_list() == [None, None, "missing", "missing", *[None] * 4]
    assert [file.name for file in files_of(release.media)] == [
        "train-000000-0000.parquet", "train-000001-0000.parquet", "train-000001-0001.parquet"
    ]  # fmt: skip
    assert not list(release.media.glob("index/*/000000-0001.*"))


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


def test_clips_where_none_were_cut_are_refused_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="let cut run before it, or say"):
        submit_steps(planned("package", "run=r", f"runs={tmp_path}", "after=ingest", "format.media=clip_path"))


def test_a_folder_holds_what_the_condition_wants_as_files(tmp_path: Path, videos: dict[str, Path]) -> None:
    three = {name: videos[name] for name in NAMES[:3]}
    source = write_dataset(tmp_path / "in", three, v1={"content_parent_category": "Sports"})
    words = ["run=r", f"runs={tmp_path}", "source=finevideo", f"input.path={source}", "source.annotations=true"]
    where = "format.where='content_parent_category == \"Sports\"'"
    form = ("format=folder", where, "cluster.executor=debug")
    assert submit_steps(planned("package", *words, "after=download", *form)) == 0
    rows = Step(tmp_path / "r", "package").scan()
    assert rows is not None
    assert rows.select("drop_reason").collect().to_series().to_list() == ["where", None, "where"]
    media = tmp_path / "r" / "package" / "media"
    (video,), (told,) = media.glob("videos/*/*"), media.glob("metadata/*/*")
    assert (video.name, video.read_bytes()) == ("v1.mp4", videos["v1"].read_bytes())
    assert json.loads(told.read_text()) == pq.read_table(source).to_pylist()[1]["json"]
    assert index_of(media)["file"].to_list() == [video.relative_to(media).as_posix()]


def test_a_condition_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    words = ["run=r", f"runs={tmp_path / 'runs'}", f"input.path={tmp_path}", "after=ingest", "format=folder"]
    words.append("format.where=category=='a'")
    with pytest.raises(InputError, match=r"format.where=.*no field 'category'; there are: resolution"):
        submit_steps(planned("package", *words))


def test_an_unknown_format_is_told_with_those_there_are(tmp_path: Path) -> None:
    said = command("stages.package", "run=r", f"runs={tmp_path}", "format=moon")
    assert said.returncode == 2
    assert "moon" in said.stderr
    assert "finevideo" in said.stderr


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def kill_tree(pid: int) -> None:
    """Kills a process and all that it started."""
    below = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    os.kill(pid, signal.SIGKILL)
    for child in below.stdout.split():
        kill_tree(int(child))
