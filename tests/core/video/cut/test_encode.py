"""Encoders: what is wrong with their settings is told by the key; each writes its codec, exact to the frame."""

import shutil
from dataclasses import replace
from pathlib import Path

import av
import pytest
from support.numbered import ENCODE, Films, cut_frames, numbers

from slurm.errors import InputError, ItemError
from stages.core.video.cut.encode import ENCODERS, Encoding, check, ffmpeg_path

GOOD = Encoding("libx264", 18, "medium", 1)


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"codec": "libx999"}, "codec=libx999: .*libx264"),
        ({"codec": "mpeg4"}, "codec=mpeg4: "),
        ({"preset": "p4"}, "preset=p4: libx264 has ultrafast"),
        ({"codec": "libsvtav1", "preset": "medium"}, "preset=medium: libsvtav1 has 0, "),
        ({"codec": "h264_nvenc", "preset": "14"}, "preset=14: h264_nvenc has p1, "),
        ({"quality": 52}, r"quality=52: libx264 takes 0 \(best\) to 51"),
        ({"quality": -1}, "quality=-1: "),
        ({"codec": "libsvtav1", "preset": "8", "quality": 64}, "quality=64: libsvtav1 .* 63"),
    ],
)
def test_wrong_settings_are_told_by_their_key(changes: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check(replace(GOOD, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_known_encoder_is_in_pyav_and_has_settings(codec: str) -> None:
    check(Encoding(codec, 30, ENCODERS[codec].presets[3], 1))


@pytest.mark.parametrize(
    ("encoding", "codec", "tag"),
    [
        (Encoding("libx264", 23.5, "veryfast", 2), "h264", "avc1"),
        (Encoding("libx265", 28, "ultrafast", 1), "hevc", "hvc1"),
        (Encoding("libsvtav1", 35, "12", 1), "libdav1d", "av01"),
    ],
    ids=lambda value: value.codec if isinstance(value, Encoding) else "",
)
def test_encoders_write_their_codec_exact_to_the_frame(
    films: Films, tmp_path: Path, encoding: Encoding, codec: str, tag: str
) -> None:
    made = []
    for _ in range(2):
        clip = cut_frames(films.master, 13, 60, tmp_path / "clip.mp4", replace(ENCODE, encoding=encoding))
        made.append((tmp_path / "clip.mp4").read_bytes())
    with av.open(str(tmp_path / "clip.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag, context.pix_fmt) == (codec, tag, "yuv420p")
    assert numbers(tmp_path / "clip.mp4") == list(range(13, 60))
    assert (clip.frames, clip.mode) == (47, "encoded")
    assert clip.duration_s == pytest.approx(47 / 25, abs=0.002)
    assert made[0] == made[1]


def test_quality_reaches_the_encoder(films: Films, tmp_path: Path) -> None:
    for codec, preset in (("libx264", "ultrafast"), ("libx265", "ultrafast"), ("libsvtav1", "12")):
        sizes = [
            cut_frames(
                films.master, 0, 25, tmp_path / "c.mp4", replace(ENCODE, encoding=Encoding(codec, quality, preset, 1))
            ).bytes
            for quality in (10, 50)
        ]
        assert sizes[0] > sizes[1], codec


def test_encoder_without_its_device_is_the_configs_fault(films: Films, tmp_path: Path) -> None:
    nvenc = replace(ENCODE, encoding=Encoding("h264_nvenc", 23, "p4", 1))
    if shutil.which("nvidia-smi"):
        pytest.skip("there may be a device")
    with pytest.raises(InputError, match="codec=h264_nvenc does not work on this machine"):
        cut_frames(films.master, 13, 60, tmp_path / "clip.mp4", nvenc)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="there is no GPU")
@pytest.mark.parametrize("codec", [name for name in ENCODERS if name.endswith("nvenc")])
def test_hardware_encodes_exact_to_the_frame(films: Films, tmp_path: Path, codec: str) -> None:
    large = films("large.mkv", "-vf", "scale=640:384:flags=neighbor", "-c:v", "ffv1", "-c:a", "copy")
    try:
        cut_frames(large, 13, 60, tmp_path / "clip.mp4", replace(ENCODE, encoding=Encoding(codec, 23, "p4", 1)))
    except InputError as error:
        pytest.skip(str(error))  # data centre GPUs have no encoder
    assert numbers(tmp_path / "clip.mp4") == list(range(13, 60))


def test_picture_that_an_encoder_refuses_is_the_items_fault(films: Films, tmp_path: Path) -> None:
    tiny = films("tiny.mkv", "-vf", "scale=8:8", "-c:v", "ffv1")
    with pytest.raises(ItemError, match="libx265 refuses 8x8") as caught:
        cut_frames(tiny, 0, 5, tmp_path / "clip.mp4", replace(ENCODE, encoding=Encoding("libx265", 28, "fast", 1)))
    assert caught.value.code == "encode_failed"


def test_there_is_an_ffmpeg() -> None:
    assert Path(ffmpeg_path()).is_file()
