"""The stage over whole videos: what a release holds, what fails a row; whoever makes it makes the same bytes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.released import (
    NAMES,
    SMALL,
    Release,
    annotation,
    files_of,
    index_of,
    make_video,
    make_videos,
    write_dataset,
)
from support.runs import command, planned

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps
from stages.core.video.cut.encode import ffmpeg_path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_videos(tmp_path_factory.mktemp("videos"))


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
