"""Clips of more than 8 bits, of high dynamic range (PQ, HLG) and of pixels that are not square."""

from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.measured import analyzed, made, skimmed
from support.numbered import ENCODE, SMART, X264

from stages.core.video.cut.clip import Cutting, cut
from stages.core.video.cut.encode import Encoding

# A code of PQ or HLG with the light that it stands for on a screen of 1000 cd/m2, and how bright BT.709 shows it.
GREYS = {"smpte2084": (509, 189), "arib-std-b67": (0.5 * 876 + 64, 143)}  # 100 cd/m2; 50
X265 = replace(ENCODE, encoding=Encoding("libx265", 20, "ultrafast", 1))
SVT = replace(ENCODE, encoding=Encoding("libsvtav1", 25, "12", 1))


def hdr(folder: Path, transfer: str, picture: str = "testsrc2=s=160x96:r=25:d=2") -> Path:
    tags = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    coding = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=error:keyint=25:open-gop=0:{tags}")
    return made(folder / f"{transfer}.mp4", f"{picture},format=yuv420p10le", *coding)


def grey(folder: Path, transfer: str) -> Path:
    code = GREYS[transfer][0]
    plain = f"color=black:s=160x96:r=25:d=1,format=yuv420p10le,geq=lum={code:.0f}:cb=512:cr=512"
    return hdr(folder, transfer, plain)


def tags(path: Path) -> tuple[str | None, int, int, int]:
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.pix_fmt, context.color_trc, context.color_primaries, context.colorspace


@pytest.mark.parametrize("transfer", GREYS)
def test_the_row_tells_depth_transfer_and_primaries(tmp_path: Path, transfer: str) -> None:
    for row, _ in (analyzed(path := hdr(tmp_path, transfer)), skimmed(path)):
        assert (row["bit_depth"], row["transfer"], row["primaries"]) == (10, transfer, "bt2020")
    plain, _ = analyzed(made(tmp_path / "a.mp4", "testsrc2=s=160x96:r=25:d=1", *X264, "-pix_fmt", "yuv420p"))
    assert (plain["bit_depth"], plain["transfer"], plain["primaries"]) == (8, None, None)


@pytest.mark.parametrize("how", [ENCODE, X265, SVT], ids=["x264", "x265", "svt-av1"])
@pytest.mark.parametrize("transfer", GREYS)
def test_an_encoded_clip_keeps_ten_bits_and_their_tags(tmp_path: Path, transfer: str, how: Cutting) -> None:
    clip = cut(str(hdr(tmp_path, transfer)), 0.4, 1.4, tmp_path / "clip.mp4", how)
    assert (clip.mode, clip.bit_depth, clip.transfer) == ("encoded", 10, transfer)
    number = {"smpte2084": 16, "arib-std-b67": 18}[transfer]
    assert tags(tmp_path / "clip.mp4") == ("yuv420p10le", number, 9, 9)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p12le", "gbrp10le"])
def test_more_than_eight_bits_become_ten_whatever_their_format(tmp_path: Path, pix_fmt: str) -> None:
    path = made(tmp_path / "a.mkv", "testsrc2=s=160x96:r=25:d=1", "-c:v", "ffv1", "-pix_fmt", pix_fmt)
    clip = cut(str(path), 0, 1, tmp_path / "clip.mp4", ENCODE)
    assert (clip.bit_depth, tags(tmp_path / "clip.mp4")[0], clip.frames) == (10, "yuv420p10le", 25)


def test_ten_bits_of_a_plain_video_are_kept(tmp_path: Path) -> None:
    ramp = "color=black:s=256x96:r=25:d=1,format=yuv420p10le,geq=lum='400+X/4':cb=512:cr=512"
    path = made(tmp_path / "a.mkv", ramp, "-c:v", "ffv1")
    cut(str(path), 0, 1, tmp_path / "clip.mp4", replace(ENCODE, encoding=Encoding("libx264", 4, "ultrafast", 1)))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        frame = next(container.decode(video=0))
    luma = np.frombuffer(memoryview(frame.planes[0]), np.uint16).reshape(96, -1)[48, :256]
    assert frame.format.name == "yuv420p10le"
    assert len(np.unique(luma)) > 40  # 64 steps; of 8 bits there would be 16


@pytest.mark.parametrize("transfer", GREYS)
def test_a_tone_mapped_clip_looks_as_it_should_on_an_ordinary_screen(tmp_path: Path, transfer: str) -> None:
    path, shown = grey(tmp_path, transfer), GREYS[transfer][1]
    for how in (replace(SMART, sdr=True), replace(X265, sdr=True)):
        clip = cut(str(path), 0, 1, tmp_path / "clip.mp4", how)
        assert (clip.mode, clip.bit_depth, clip.transfer) == ("encoded", 8, "bt709")
        assert tags(tmp_path / "clip.mp4") == ("yuv420p", 1, 1, 1)
        with av.open(str(tmp_path / "clip.mp4")) as container:
            luma = np.asarray(next(container.decode(video=0)).to_ndarray(format="gray"))
        assert luma[:96].mean() == pytest.approx(shown, abs=5)
    _, pictures = analyzed(path)  # and so do key frames
    assert np.asarray(Image.open(BytesIO(pictures[0]["jpeg"]))).mean() == pytest.approx(shown, abs=5)


def test_a_plain_clip_is_copied_where_high_dynamic_range_would_be_mapped(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", "testsrc2=s=160x96:r=25:d=1", *X264, "-pix_fmt", "yuv420p")
    assert cut(str(path), 0, 1, tmp_path / "clip.mp4", replace(SMART, sdr=True)).mode == "copied"


@pytest.mark.parametrize(
    ("sar", "square"), [(Fraction(64, 45), (228, 96)), (Fraction(8, 9), (160, 108)), (Fraction(1), (160, 96))]
)
def test_pixels_stay_as_they_are_or_become_square(tmp_path: Path, sar: Fraction, square: tuple[int, int]) -> None:
    picture = f"testsrc2=s=160x96:r=25:d=1,setsar={sar.numerator}/{sar.denominator}"
    path = made(tmp_path / "a.mp4", picture, *X264, "-pix_fmt", "yuv420p")
    for how, mode in ((SMART, "copied"), (ENCODE, "encoded")):
        clip = cut(str(path), 0, 1, tmp_path / "clip.mp4", how)
        assert (clip.mode, clip.width_px, clip.height_px) == (mode, 160, 96)
        assert clip.sar == pytest.approx(float(sar))
    clip = cut(str(path), 0, 1, tmp_path / "clip.mp4", replace(SMART, square=True))
    assert (clip.mode, (clip.width_px, clip.height_px), clip.sar) == ("copied" if sar == 1 else "encoded", square, 1)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio in (None, 1)
