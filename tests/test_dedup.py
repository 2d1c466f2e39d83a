"""The stage over really encoded films and their copies: what is found, what is kept, and what comes later."""

import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.runs import command

from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.video.cut.encode import ffmpeg_path

FILM = (
    "mandelbrot=s=320x180:r=25,trim=duration=2[a];testsrc2=s=320x180:r=25:d=2[b];"
    "life=s=320x180:r=25:ratio=0.3:seed=3:mold=10,trim=duration=2,boxblur=6[c];[a][b][c]concat=n=3"
)
OTHER = (
    "smptebars=s=320x180:r=25:d=1.5[a];cellauto=s=320x180:r=25:seed=4,trim=duration=2,boxblur=8[b];"
    "gradients=s=320x180:r=25:d=2.5:seed=5:n=4[c];[a][b][c]concat=n=3"
)
COPIES = {
    "film_crf35": ("-crf", "35"),
    "film_small": ("-vf", "scale=240:136"),
    "film_dark": ("-vf", "eq=brightness=-0.1"),
    "film_crop": ("-vf", "crop=304:172"),
    "film_logo": ("-vf", "drawbox=x=260:y=10:w=44:h=20:color=yellow:t=fill"),
    "film_part": ("-ss", "1", "-t", "3.5"),
}


def encode(out: Path, *words: str) -> None:
    command = [ffmpeg_path(), "-nostdin", "-v", "error", *words, "-c:v", "libx264", "-preset", "veryfast"]
    subprocess.run([*command, "-pix_fmt", "yuv420p", str(out)], check=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film and six copies of it, another film, and two that are dark."""
    folder = tmp_path_factory.mktemp("videos")
    encode(folder / "film.mp4", "-f", "lavfi", "-i", FILM, "-crf", "20")
    encode(folder / "other.mp4", "-f", "lavfi", "-i", OTHER)
    for name, words in COPIES.items():
        encode(folder / f"{name}.mp4", "-i", str(folder / "film.mp4"), *words)
    for name in ("dark1", "dark2"):
        encode(folder / f"{name}.mp4", "-f", "lavfi", "-i", "color=black:s=320x180:r=25:d=2")
    return folder


def dedup(runs: Path, *words: str, status: int = 0) -> Any:
    done = command("stages.dedup", "run=r", f"runs={runs}", "cluster.executor=debug", *words)
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def run(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over these videos, without two of them."""
    folder = tmp_path_factory.mktemp("dedup")
    (folder / "videos").mkdir()
    for video in sorted(videos.iterdir()):
        if video.stem not in ("film_dark", "dark2"):
            (folder / "videos" / video.name).hardlink_to(video)
    dedup(folder, "after=analyze", f"input.path={folder / 'videos'}")
    return folder / "r"


def rows_of(run: Path, step: str = "dedup") -> dict[str, dict[str, Any]]:
    """The rows of a step by the names of their files."""
    rows = read_table(run, step, catalogue=True).collect().iter_rows(named=True)
    return {Path(row["path"]).stem: row for row in rows}


def test_copies_of_a_film_are_dropped_and_the_film_is_kept(run: Path) -> None:
    rows = rows_of(run)
    film = rows["film"]["video_id"]
    assert len(rows) == 8
    assert {name for name, row in rows.items() if row["drop_reason"] is None} == {"film", "other", "dark1"}
    for name in COPIES.keys() - {"film_dark"}:
        assert rows[name].items() >= {"group": film, "duplicate_of": film, "how": "perceptual"}.items()
        assert rows[name]["score"] >= 0.5
    assert rows["dark1"]["note"] == "no picture that tells anything"
    part = read_table(run, "dedup", "pairs").filter(a=film, b=rows["film_part"]["video_id"]).collect()
    assert part["offset_s"].to_list() == pytest.approx([1.0], abs=0.2)


def test_steps_behind_it_see_what_is_kept_alone(run: Path) -> None:
    done = command("stages.split", "run=r", f"runs={run.parent}", "after=dedup", "min_s=0.5", "cluster.executor=debug")
    assert done.returncode == 0, done.stderr
    videos = read_table(run, "split").collect()["video_id"].unique()
    rows = rows_of(run)
    assert set(videos) == {rows[name]["video_id"] for name in ("film", "other", "dark1")}


def test_what_comes_later_is_compared_with_what_was_kept(run: Path, videos: Path) -> None:
    before = rows_of(run)
    for name in ("film_dark", "dark2"):
        (run.parent / "videos" / f"{name}.mp4").hardlink_to(videos / f"{name}.mp4")
    done = command("stages.ingest", "run=r", f"runs={run.parent}", "cluster.executor=debug", "extend=true")
    assert done.returncode == 0, done.stderr
    rows = rows_of(run)
    assert {name: row for name, row in rows.items() if name in before} == before
    assert rows["film_dark"]["duplicate_of"] == rows["film"]["video_id"]
    assert rows["dark2"]["drop_reason"] is None
    assert len(Step(run, "dedup").all_done()) == 2
    hashes = read_table(run, "dedup", "hashes").collect()
    assert set(hashes["id"]) == {rows["film"]["video_id"], rows["other"]["video_id"]}


def test_a_run_may_be_held_against_another_one(run: Path, videos: Path, tmp_path: Path) -> None:
    place = tmp_path / "hashes.parquet"
    words = ("run=r", f"runs={run.parent}", "step=dedup", "table=hashes", f"out={place}")
    assert command("slurm", "table", *words).returncode == 0
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "leak.mp4").hardlink_to(videos / "film_crf35.mp4")
    for step, source in (("by_file", place), ("by_step", run / "dedup")):
        dedup(tmp_path, f"step={step}", "after=analyze", f"input.path={tmp_path / 'videos'}", f"against=[{source}]")
        assert rows_of(tmp_path / "r", step)["leak"]["drop_reason"] == "leaked.perceptual"


def test_clips_are_compared_by_the_moments_in_their_spans(run: Path) -> None:
    words = ("run=r", f"runs={run.parent}", "cluster.executor=debug")
    assert command("stages.split", *words, "step=spans", "after=analyze", "min_s=0.3").returncode == 0
    dedup(run.parent, "step=clips", "after=spans")
    rows = read_table(run, "clips").collect()
    assert rows.columns[:2] == ["clip_id", "video_id"]
    kept = rows.filter(pl.col("drop_reason").is_null(), pl.col("video_id").str.starts_with("film"))
    assert kept["video_id"].n_unique() == 1  # all shots of the film, of one file
    assert len(kept) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["methods=[exact]"], "needs 'sha256', .*: methods has exact: let `download` run before it"),
        (
            ["methods=[semantic]"],
            r"needs 'embedding', .*: methods has semantic: let `score_frames` with scorers=\[embed\]",
        ),
        (["after=ingest"], "needs 'hashes', .*: methods has perceptual: let `analyze` run before it"),
        (["methods=[]"], "methods=.*: say what makes two rows the same, any of exact, perceptual, semantic"),
        (["methods=[looks]"], "methods.*looks"),
        (["perceptual.bits=65"], "perceptual.bits"),
        (["perceptual.share=0"], "perceptual.share"),
        (["prefer=[beauty]"], "prefer.*beauty"),
        (["against=[nowhere.parquet]"], "against=nowhere.parquet: "),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_submitted(words: list[str], told: str, tmp_path: Path) -> None:
    source = [] if "after=ingest" in words else ["after=analyze"]
    done = dedup(tmp_path, *source, f"input.path={tmp_path}", *words, status=2)
    assert pl.Series([done.stderr]).str.contains(told)[0], done.stderr
    assert not (tmp_path / "r").exists()
