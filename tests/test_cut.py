"""The cut stage: where a clip is written and what its row says."""

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter

from slurm.errors import InputError, ItemError
from stages.core.schema.types import Row
from stages.core.video.cut.encode import ffmpeg_path
from stages.cut import CUT, STAGE, Config, clip_path, cut_clip, frame_rate

ROOT = Path(__file__).parents[1]
NASA = ROOT.parent / "shared" / "videos" / "nasa_13013.mp4"


def configured(**changes: object) -> Config:
    """The stage's own keys of conf/stage/cut.yaml, with changes."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "stage" / "cut.yaml").read_text())
    own = {key: loaded[key] for key in Config.__dataclass_fields__}
    return TypeAdapter(Config).validate_python({**own, **changes})


@pytest.fixture(scope="session")
def config() -> Config:
    return configured()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 fps, 128x96, 4 s, with sound."""
    out = tmp_path_factory.mktemp("film") / "film.mp4"
    inputs = ["-f", "lavfi", "-i", "testsrc=s=128x96:r=25:d=4,format=yuv420p", "-f", "lavfi", "-i", "sine=duration=4"]
    subprocess.run([ffmpeg_path(), "-nostdin", "-v", "error", *inputs, str(out)], check=True)
    return out


def clip(path: Path | None, **changes: object) -> Row:
    row = {"clip_id": "c1", "video_id": "v1", "path": path and str(path), "start_s": 1.0, "end_s": 2.4}
    return {**row, **changes}


def test_clip_lies_in_its_videos_bucket_and_its_row_fits_the_schema(film: Path, config: Config, tmp_path: Path) -> None:
    row = pl.DataFrame(cut_clip(clip(film), config, tmp_path)["rows"], schema=CUT, strict=True).row(0, named=True)
    out = tmp_path / sha256(b"v1").hexdigest()[:2] / "c1.mp4"
    assert (row["clip_id"], row["video_id"], row["clip_path"]) == ("c1", "v1", str(out))
    assert (row["width_px"], row["height_px"], row["frames"], row["has_audio"]) == (128, 96, 35, True)
    assert row["duration_s"] == pytest.approx(1.4)
    assert row["bytes"] == out.stat().st_size
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [out]


def test_cutting_again_gives_the_same_bytes(film: Path, config: Config, tmp_path: Path) -> None:
    first = Path(str(cut_clip(clip(film), config, tmp_path)["rows"][0]["clip_path"]))
    bytes_before = first.read_bytes()
    cut_clip(clip(film), config, tmp_path)
    assert first.read_bytes() == bytes_before


def test_clip_can_be_played_before_it_is_loaded(film: Path, config: Config, tmp_path: Path) -> None:
    data = Path(str(cut_clip(clip(film), config, tmp_path)["rows"][0]["clip_path"])).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_row_tells_how_the_clip_was_made(film: Path, tmp_path: Path) -> None:
    def made(start_s: float, end_s: float, **changes: object) -> tuple[object, object]:
        row = cut_clip(clip(film, start_s=start_s, end_s=end_s), configured(**changes), tmp_path)["rows"][0]
        return row["mode"], row["encoded_frames"]

    assert made(0, 4) == ("copied", 0)
    assert made(0, 4, mode="encode") == ("encoded", 100)
    assert made(0, 4, fps=12.5) == ("encoded", 50)
    assert made(0, 4, fps="25/2") == ("encoded", 50)
    assert made(0, 4, fps=25) == ("copied", 0)
    assert made(1, 2.4) == ("encoded", 35)  # a single key frame, at 0


def test_a_crop_is_in_the_row_and_its_clip_is_encoded(film: Path, config: Config, tmp_path: Path) -> None:
    box = {"crop_x_px": 16, "crop_y_px": 8, "crop_width_px": 96, "crop_height_px": 80}
    row = cut_clip(clip(film, start_s=0, end_s=4, **box), config, tmp_path)["rows"][0]
    assert (row["mode"], row["width_px"], row["height_px"], row["has_audio"]) == ("encoded", 96, 80, True)
    assert {name: row[name] for name in box} == box
    whole = cut_clip(clip(film, start_s=0, end_s=4, **dict.fromkeys(box)), config, tmp_path)["rows"][0]
    assert (whole["mode"], [whole.get(name) for name in box]) == ("copied", [None] * 4)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"codec": "x264"}, "codec=x264: .*libx264"),
        ({"codec": "libsvtav1"}, "preset=medium: libsvtav1"),
        ({"preset": 8}, "preset=8: libx264"),
        ({"quality": 80}, "quality=80"),
        ({"fps": "fast"}, "fps=fast is neither"),
        ({"fps": "30/0"}, "fps=30/0 is neither"),
        ({"fps": 0}, "fps=0"),
        ({"fps": -25}, "fps=-25"),
        ({"fps": 0.0001}, "fps=0.0001"),
    ],
)
def test_wrong_config_is_told_by_its_key_before_anything_is_submitted(changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        STAGE.check(configured(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"codec": "libsvtav1", "preset": 8},
        {"codec": "hevc_nvenc", "preset": "p5"},
        {"fps": "30000/1001"},
        {"fps": 24},
    ],
)
def test_good_configs_pass(changes: dict[str, object]) -> None:
    STAGE.check(configured(**changes))


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (29.97002997, "30000/1001"),
        (23.976023976, "24000/1001"),
        (59.94005994005994, "60000/1001"),
        (29.97, "2997/100"),
        ("30000/1001", "30000/1001"),
        (12.5, "25/2"),
    ],
)
def test_rates_are_fractions_that_files_can_hold(fps: float | str, exact: str) -> None:
    assert str(frame_rate(configured(fps=fps))) == exact


def test_rate_of_many_digits_is_cut_at(film: Path, tmp_path: Path) -> None:
    assert cut_clip(clip(film), configured(fps=29.97002997), tmp_path)["rows"][0]["frames"] == 42


@pytest.mark.parametrize(
    "changes", [{"start_s": float("nan")}, {"end_s": float("inf")}, {"end_s": 1e300}, {"start_s": -1e300}]
)
def test_times_that_no_video_has_are_the_items_fault(film: Path, config: Config, tmp_path: Path, changes: Row) -> None:
    with pytest.raises(ItemError, match="start_s=") as caught:
        cut_clip(clip(film, **changes), config, tmp_path)
    assert caught.value.code == "bad_value"


def test_lost_and_missing_videos_have_their_codes(config: Config, tmp_path: Path) -> None:
    for path, code in ((None, "not_downloaded"), (tmp_path / "gone.mp4", "missing")):
        with pytest.raises(ItemError) as caught:
            cut_clip(clip(path), config, tmp_path)
        assert caught.value.code == code


@pytest.mark.parametrize("clip_id", ["", "..", "../c1", "a/b"])
def test_clip_id_that_would_leave_the_folder_gets_a_plain_name_in_it(clip_id: str, tmp_path: Path) -> None:
    path = clip_path(tmp_path, "v1", clip_id)
    assert path.resolve().is_relative_to(tmp_path)
    assert len(path.relative_to(tmp_path).parts) == 2
    assert clip_path(tmp_path, "v1", f"{clip_id}x") != path


@pytest.mark.skipif(not NASA.exists(), reason="the real clip is not here")
def test_real_clip_is_cut_from_its_largest_stream(config: Config, tmp_path: Path) -> None:
    start_s, end_s = 240 * 1001 / 30000, 300 * 1001 / 30000
    row = cut_clip(clip(NASA, start_s=start_s, end_s=end_s), config, tmp_path)["rows"][0]
    assert (row["frames"], row["width_px"], row["has_audio"]) == (60, 480, True)
