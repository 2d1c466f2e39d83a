"""The whole way of an item, as `explain id=` tells it of a run that was really made."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from support.runs import command

from slurm.errors import InputError
from slurm.explain.find import find
from slurm.explain.story import story
from slurm.record.manifest import Step
from stages.core.video.cut.encode import ffmpeg_path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe clips over a film of three shots (lively, of one second, still) and a file that is none; swept."""
    folder = tmp_path_factory.mktemp("story")
    (folder / "videos").mkdir()
    (folder / "videos" / "broken.mp4").write_bytes(b"this is no film" * 100)
    size = "s=320x180:r=25"
    scenes = f"testsrc2={size}:d=3[a];mandelbrot={size}:end_scale=0.3,trim=duration=1[b];smptebars={size}:d=3[c]"
    film = ["-f", "lavfi", "-i", f"{scenes};[a][b][c]concat=n=3,format=yuv420p", str(folder / "videos" / "film.mp4")]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *film], check=True)
    words = ["run=r", f"runs={folder / 'runs'}", "cluster.executor=debug"]
    done = command("stages", "clips", *words, f"input.path={folder / 'videos'}", "chunks.size=1")
    assert done.returncode == 0, done.stderr
    swept = command("stages.filter", "-m", *words, "rules.motion.min=0,0.001")
    assert swept.returncode == 0, swept.stderr
    return folder / "runs" / "r"


@pytest.fixture(scope="module")
def clips(run: Path) -> list[str]:
    rows = Step(run, "split").scan()
    assert rows is not None
    return rows.collect()["clip_id"].to_list()


@pytest.fixture
def video(clips: list[str]) -> str:
    return clips[0].removesuffix("_0_75")


def told(run: Path, name: str, **more: Any) -> list[str]:
    return Text.from_markup(story(run, name, **more)).plain.splitlines()


def of_step(lines: list[str], step: str) -> str:
    """The headline of a step."""
    (line,) = (line for line in lines if line.startswith(f"{step}  "))
    return line


def test_a_video_is_told_from_its_source_to_the_files_of_its_clips(run: Path, video: str, clips: list[str]) -> None:
    lines = told(run, video)
    path = run.parents[1] / "videos" / "film.mp4"
    assert lines[:2] == [f"video_id {video}, in run r", "ingest  chunk 0 done: kept"]
    assert f"source videos, path {path}, title film, bytes {path.stat().st_size}" in lines[2]
    assert of_step(lines, "split") == "split  chunk 1 done: 3 rows: 2 kept, 1 dropped (too_short 1)"
    assert f"    {clips[1]}  dropped by too_short  shot 1, start_frame 75, end_frame 100, start_s 3" in "\n".join(lines)
    assert of_step(lines, "filter") == "filter  chunk 1 done: 2 rows: 1 kept, 1 dropped (motion.min 1)"
    assert of_step(lines, "cut") == f"cut  chunk 1 done: {clips[0]} kept"
    (file,) = (Path(line.removeprefix("    file ")) for line in lines if line.startswith("    file "))
    assert file.is_file()
    assert file.name == f"{clips[0]}.mp4"


def test_a_dropped_clip_is_told_with_value_and_limit_and_all_rules_that_would(run: Path, clips: list[str]) -> None:
    lines = told(run, clips[2])
    assert lines[0] == f"clip_id {clips[2]} of video_id {clips[2].removesuffix('_100_175')}, in run r"
    why = "dropped by motion.min: 0 (mean), limit 0.002; frozen.max: 1 (mean), limit 0.5 would, too"
    assert of_step(lines, "filter") == f"filter  chunk 1 done: {why}"
    assert [line.split(":")[0] for line in lines if "passes" in line] == ["    passes luma"]
    assert of_step(lines, "cut") == "cut  not reached: dropped by filter"


def test_what_the_points_of_a_sweep_say_is_a_line_each(run: Path, clips: list[str]) -> None:
    lines = told(run, clips[2])
    at = lines.index("filter, points of sweeps")
    assert lines[at + 1 : at + 3] == [
        "    rules.motion.min=0  chunk 1 done: dropped by frozen.max: 1 (mean), limit 0.5",
        "    rules.motion.min=0.001  chunk 1 done: dropped by motion.min: 0 (mean), limit 0.001; "
        "frozen.max: 1 (mean), limit 0.5 would, too",
    ]
    assert sum(line.startswith("    rules.motion.min=") for line in told(run, clips[0])) == 2


def test_a_clip_that_was_too_short_is_in_no_step_behind(run: Path, clips: list[str]) -> None:
    lines = told(run, clips[1])
    assert of_step(lines, "split") == "split  chunk 1 done: dropped by too_short"
    assert of_step(lines, "filter") == "filter  not reached: dropped by split"
    assert of_step(lines, "cut") == "cut  not reached: dropped by split"


def test_a_row_may_be_named_by_its_path_and_told_with_its_error(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parents[1])
    lines = told(run, "videos/broken.mp4")
    assert lines == told(run, str(run.parents[1] / "videos" / "broken.mp4"))
    assert "analyze  chunk 0 done: failed: corrupt: " in of_step(lines, "analyze")
    assert "Invalid data found" in of_step(lines, "analyze")
    assert of_step(lines, "cut") == "cut  not reached: failed in analyze"


def test_a_clip_may_be_named_by_its_file_also_where_the_run_was_moved(
    run: Path, clips: list[str], tmp_path: Path
) -> None:
    (file,) = (run / "cut" / "media").rglob("*.mp4")
    assert told(run, str(file)) == told(run, clips[0])
    moved = tmp_path / "moved" / "r"
    shutil.copytree(run, moved)
    there = moved / file.relative_to(run)
    file.rename(file.with_suffix(".away"))
    try:
        assert told(moved, str(there))[-2] == f"    file {there}"
        there.unlink()
        assert told(moved, clips[0])[-2] == f"    file {file} is gone"
    finally:
        file.with_suffix(".away").rename(file)


def test_of_many_rows_so_many_are_listed_as_is_asked(run: Path, video: str, clips: list[str]) -> None:
    lines = told(run, video, rows=2, only="split")
    assert [line.split()[0] for line in lines[2:-1]] == clips[:2]
    assert lines[-1] == "    … and 1 more: rows=3 step=split lists all"
    assert len(told(run, video, rows=3, only="split")) == 5


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [("{}_0_76", "{}_0_75"), ("film", "{}"), ("film.mp4", "{}"), ("films-795c", "{}"), ("{}x", "{}")],
)
def test_an_unknown_id_is_told_with_those_that_are_like_it(run: Path, video: str, asked: str, nearest: str) -> None:
    with pytest.raises(InputError, match=r"in run r: no key, path or URL of its rows is that; nearest: ") as refused:
        find(run, asked.format(video))
    assert str(refused.value).partition("nearest: ")[2].split(", ")[0] == nearest.format(video)


def test_the_command_tells_it_and_refuses_what_says_two_things(run: Path, clips: list[str]) -> None:
    words = ["slurm", "explain", "run=r", f"runs={run.parent}"]
    done = command(*words, f"id={clips[2]}", "rows=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rstrip() for line in done.stdout.splitlines()] == told(run, clips[2])
    for more, said in {"chunk=1": "say either id= or step= and chunk=", "rows=-1": "rows takes no such value"}.items():
        refused = command(*words, f"id={clips[2]}", more)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr
