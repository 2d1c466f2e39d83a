"""The stage behind cut: clips of a real recipe as samples."""

import json
import tarfile
from pathlib import Path

import polars as pl
import pytest
from support.released import files_of, make_video
from support.runs import planned

from slurm.errors import InputError
from slurm.record.manifest import Step
from stages.core.runner.pipeline import submit_steps


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose clips are packed."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("one", "two"):
        make_video(folder / "in" / f"{name}.mp4", 4.0, noise=len(name), size="128x96")
    words = [f"runs={folder}", "run=r", f"input.path={folder / 'in'}", "cluster.executor=debug"]
    assert submit_steps(planned("package", *words, "after=cut", "format=webdataset")) == 0
    return folder / "r"


def test_every_clip_that_was_cut_is_a_sample(run: Path) -> None:
    cut = Step(run, "cut").kept().select("clip_id", "clip_path", "frames").collect()
    assert len(cut) == 2
    (shard,) = files_of(run / "package" / "media")
    with tarfile.open(shard) as opened:
        content = {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]
    for clip_id, path, frames in cut.iter_rows():
        assert content[f"{clip_id}.mp4"] == Path(path).read_bytes()
        known = json.loads(content[f"{clip_id}.json"])
        assert known.items() >= {"clip_id": clip_id, "start_s": 0.0, "frames": frames, "width_px": 128}.items()
    assert len(content) == 4
    beside = pl.read_parquet(next((run / "package" / "media" / "metadata").glob("*/*.parquet")))
    assert beside["clip_id"].to_list() == cut["clip_id"].to_list()


def test_every_clip_that_was_cut_is_a_row_with_its_key_frames(run: Path) -> None:
    own = [f"runs={run.parent}", "run=r", "cluster.executor=debug", "after=cut", "format=clips", "step=clips"]
    assert submit_steps(planned("package", *own)) == 0
    media = run / "clips" / "media"
    cut = Step(run, "cut").kept().select("clip_id", "clip_path").collect()
    shown = Step(run, "analyze").scan("key_frames")
    assert shown is not None
    jpegs = dict(shown.group_by("video_id").agg("jpeg").collect().iter_rows())
    (shard,) = files_of(media)
    rows = pl.read_parquet(shard).to_dicts()
    assert [row["id"] for row in rows] == cut["clip_id"].to_list()
    for row, path in zip(rows, cut["clip_path"], strict=True):
        assert (media / row["file"]).read_bytes() == Path(path).read_bytes()
        assert [(media / name).read_bytes() for name in row["frames"]] == jpegs[row["video_id"]]
        assert row["motion"] > 0
        assert row["caption"] is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["format.columns=[titel]"], r"\(format.columns\) needs 'titel'.*they give title"),
        (["format.caption_column=raw_caption"], r"\(format.caption_column\) needs 'raw_caption'"),
        (["format.columns=[key_frames.jpeg]"], r"format.columns: key_frames.jpeg is .*Binary"),
    ],
)
def test_a_column_that_cannot_be_told_is_refused_by_its_key(run: Path, words: list[str], told: str) -> None:
    own = [f"runs={run.parent}", "run=r", "cluster.executor=debug", "after=cut", "format=webdataset", "step=other"]
    with pytest.raises(InputError, match=told):
        submit_steps(planned("package", *own, *words))
    assert not (run / "other").exists()


def test_whole_videos_of_clips_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = [f"runs={run.parent}", "run=r", "cluster.executor=debug", "after=cut", "step=whole"]
    assert submit_steps(planned("package", *own, "format=finevideo")) == 1
    assert "say format.media=clip_path" in "".join(capsys.readouterr())
