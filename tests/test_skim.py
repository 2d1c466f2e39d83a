"""The skim of a video: its rows fit their schemas, and only what surely stands still is called so."""

import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from slurm.errors import ItemError
from stages.core.schema.frame import SYNC_FRAMES
from stages.core.schema.video import SKIM
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.skim.settings import Settings
from stages.skim import skim_video

ROOT = Path(__file__).parents[1]
NASA = ROOT.parent / "shared" / "videos" / "nasa_13013.mp4"
ROW, PICTURES = ({name: kind for name, kind in table.items() if name != "video_id"} for table in (SKIM, SYNC_FRAMES))
STILL = "color=white:s=320x180:r=10:d={seconds},drawgrid=w=20:h=20:c=navy"


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The stage's own keys of conf/stage/skim.yaml."""
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "skim.yaml").read_text())
    return Settings(**{key: loaded[key] for key in Settings.__dataclass_fields__})


def made(path: Path, picture: str, *arguments: str) -> Path:
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p"]
    subprocess.run([*command, *arguments, str(path)], check=True)
    return path


def skimmed(path: Path, settings: Settings) -> tuple[dict[str, Any], pl.DataFrame]:
    """The row, and the sync frames; polars refuses a value that does not fit."""
    found = skim_video({"video_id": "v1", "path": str(path), "url": None}, settings)
    (row,) = list(found["rows"])
    return pl.DataFrame([row], schema=ROW, strict=True).row(0, named=True), pl.DataFrame(
        found["sync_frames"], schema=PICTURES, strict=True
    )


def test_a_still_picture_is_surely_still(tmp_path: Path, settings: Settings) -> None:
    path = made(tmp_path / "still.mp4", STILL.format(seconds=60), "-g", "50")
    row, pictures = skimmed(path, settings)
    assert (row["codec"], row["width_px"], row["height_px"], row["fps"]) == ("h264", 320, 180, 10)
    assert (row["duration_s"], row["sync_every_s"]) == (pytest.approx(60, abs=0.1), pytest.approx(5, abs=0.1))
    assert row["bits_per_s"] == pytest.approx(8 * path.stat().st_size / 60, rel=0.3)
    assert (row["still_least"], row["motion"], row["black"]) == (1, 0, pytest.approx(0, abs=0.01))
    assert row["luma"] > 0.7
    assert (row["decode_errors"], row["coverage"]) == (0, pytest.approx(1, abs=0.01))
    assert pictures["time_s"].to_list() == pytest.approx(range(0, 60, 5), abs=0.01)
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in pictures["jpeg"])


@pytest.mark.parametrize("codec", [("-c:v", "libx264", "-crf", "35"), ("-c:v", "libvpx-vp9", "-cpu-used", "8")])
def test_a_picture_that_slides_by_slowly_is_not_called_still(
    tmp_path: Path, settings: Settings, codec: tuple[str, ...]
) -> None:
    slides = "mandelbrot=s=1280x720:r=1:start_scale=0.2:end_scale=0.2,trim=end_frame=1,loop=-1:1,setpts=N/10/TB"
    slow = f"{slides},trim=end=30,crop=1120:630:x='t*5':y=20,scale=320:180:flags=area"  # 0.0045 widths a second
    row, _ = skimmed(made(tmp_path / "slow.mkv", slow, "-g", "50", *codec), settings)
    assert row["still_least"] == 0
    assert row["motion"] > 0


def test_the_real_clip_moves(settings: Settings) -> None:
    if not NASA.exists():
        pytest.skip(f"{NASA} is not there")
    row, pictures = skimmed(NASA, settings)
    assert row["still_least"] < 0.2
    assert len(pictures) > 1


def test_video_without_a_file_is_not_downloaded(settings: Settings) -> None:
    with pytest.raises(ItemError) as caught:
        skim_video({"video_id": "v1", "path": None, "url": "https://example.org/v"}, settings)
    assert caught.value.code == "not_downloaded"


def test_video_of_which_too_little_can_be_read_is_corrupt(tmp_path: Path, settings: Settings) -> None:
    whole = made(tmp_path / "whole.mkv", "testsrc2=s=320x180:r=10:d=60", "-g", "50")
    torn = tmp_path / "torn.mkv"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 20])
    with pytest.raises(ItemError) as caught:
        skimmed(torn, settings)
    assert caught.value.code == "corrupt"
