"""How clips look and when: turned right, in the source's shape and colours, at its own times or at a constant rate."""

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange
from support.numbered import ENCODE, FPS, HEIGHT, SMART, WIDTH, X264, Films, cut_frames, ffmpeg, grays, numbers, times_s

from slurm.errors import ItemError
from stages.core.video.cut.clip import Cutting
from stages.core.video.cut.convert import Crop

GOP = (*X264, "-g", "32", "-bf", "3")
PLAIN = "plain.mp4"
# Display matrices by what they do: a b c d of x' = a x + c y, y' = b x + d y.
TURNS = {
    "right": (0, 1, -1, 0),
    "left": (0, -1, 1, 0),
    "over": (-1, 0, 0, -1),
    "mirrored": (-1, 0, 0, 1),
    "upside_down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transversed": (0, -1, -1, 0),
}
WAYS = [(SMART, 32, 64, "copied"), (SMART, 37, 96, "joined"), (ENCODE, 37, 60, "encoded")]


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def turned(films: Films, turn: str) -> Path:
    """The film with a display matrix in its index, in place of the one that turns nothing."""
    out = films.folder / f"{turn}.mp4"
    if not out.exists():
        data = films(PLAIN, *GOP).read_bytes()
        one, last = 1 << 16, 1 << 30
        a, b, c, d = (value * one for value in TURNS[turn])
        neutral = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, last)
        track = data.index(b"tkhd")
        at = data.index(neutral, track)
        assert at - track < 60
        out.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, last) + data[at + len(neutral) :])
    return out


def shown(path: Path, width_px: int, height_px: int) -> np.ndarray:
    """Frames as ffmpeg's command shows them, turned as the file asks."""
    raw = ffmpeg("-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height_px, width_px).astype(int)


@pytest.mark.parametrize("turn", TURNS)
def test_copied_and_joined_clips_keep_the_turn_and_encoded_ones_are_turned(
    films: Films, tmp_path: Path, turn: str
) -> None:
    film, out = turned(films, turn), tmp_path / "clip.mp4"
    size = (HEIGHT, WIDTH) if TURNS[turn][0] == 0 else (WIDTH, HEIGHT)
    whole = shown(film, *size)
    for how, first, end, mode in WAYS:
        clip = cut_frames(film, first, end, out, how)
        assert clip.mode == mode
        assert np.abs(shown(out, *size) - whole[first:end]).mean() < 3
        assert (clip.width_px, clip.height_px) == size  # as shown, whatever is stored
        with av.open(str(out)) as container:
            frame = next(container.decode(video=0))
        assert len(frame.side_data) == 0 or mode != "encoded" or frame.rotation == 0
        assert (frame.width, frame.height) == (size if mode == "encoded" else (WIDTH, HEIGHT))


@pytest.mark.parametrize("turn", [None, *TURNS])
def test_a_crop_is_of_the_picture_as_it_is_shown(films: Films, tmp_path: Path, turn: str | None) -> None:
    film = turned(films, turn) if turn else films(PLAIN, *GOP)
    size = (HEIGHT, WIDTH) if turn and TURNS[turn][0] == 0 else (WIDTH, HEIGHT)
    x, y, wide, high = crop = Crop(20, 36, 64, 40)
    whole = shown(film, *size)[32:64, y : y + high, x : x + wide]
    clip = cut_frames(film, 32, 64, tmp_path / "clip.mp4", replace(SMART, crop=crop))  # which is copied without one
    assert (clip.mode, clip.encoded_frames, clip.width_px, clip.height_px) == ("encoded", 32, wide, high)
    assert np.abs(shown(tmp_path / "clip.mp4", wide, high) - whole).mean() < 4


def test_the_sample_aspect_ratio_and_the_frame_rate_of_a_cropped_clip_are_kept(films: Films, tmp_path: Path) -> None:
    film = films("aspect.mp4", *GOP, "-vf", "setsar=4/3")
    how = replace(SMART, crop=Crop(2, 0, 100, 96), fps=Fraction(10))
    assert cut_frames(film, 32, 64, tmp_path / "clip.mp4", how).mode == "encoded"
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.sample_aspect_ratio, stream.average_rate) == (Fraction(4, 3), Fraction(10))


@pytest.mark.parametrize(
    "crop",
    [Crop(0, 0, WIDTH + 2, 40), Crop(100, 0, 64, 40), Crop(0, 60, 40, 40), Crop(-2, 0, 40, 40), Crop(1, 0, 40, 40)],
)
def test_a_crop_that_is_not_within_the_picture_or_not_even_is_the_items_fault(
    films: Films, tmp_path: Path, crop: Crop
) -> None:
    with pytest.raises(ItemError, match="a crop of") as caught:
        cut_frames(films(PLAIN, *GOP), 0, 20, tmp_path / "clip.mp4", replace(SMART, crop=crop))
    assert caught.value.code == "bad_value"
    assert not (tmp_path / "clip.mp4").exists()


def test_shape_of_a_sample_is_kept(films: Films, tmp_path: Path) -> None:
    film = films("aspect.mp4", *GOP, "-vf", "setsar=4/3")
    for how, first, end, mode in WAYS:
        assert cut_frames(film, first, end, tmp_path / "clip.mp4", how).mode == mode
        with av.open(str(tmp_path / "clip.mp4")) as container:
            assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        ffmpeg("-i", tmp_path / "clip.mp4", "-c", "copy", tmp_path / "bare.h264")  # as the codec itself tells it
        with av.open(str(tmp_path / "bare.h264")) as container:
            context = container.streams.video[0].codec_context
            assert {context.sample_aspect_ratio for _ in container.decode(video=0)} == {Fraction(4, 3)}


def test_colours_are_those_of_the_source(films: Films, tmp_path: Path) -> None:
    named = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
    film = films("colours.mp4", *GOP, *named)
    for how, first, end, mode in WAYS:
        assert cut_frames(film, first, end, tmp_path / "clip.mp4", how).mode == mode
        with av.open(str(tmp_path / "clip.mp4")) as container:
            seen = {(f.colorspace, f.color_primaries, f.color_trc, f.color_range) for f in container.decode(video=0)}
        assert seen == {(1, 1, 1, ColorRange.MPEG)}


def stored_luma(path: Path) -> np.ndarray:
    """Means of the frames' luma as it is stored."""
    with av.open(str(path)) as container:
        planes = [frame.planes[0] for frame in container.decode(video=0)]
        return np.array([np.frombuffer(memoryview(plane), np.uint8).mean() for plane in planes])


def test_full_range_stays_where_frames_are_joined_and_becomes_limited_where_all_are_encoded(
    films: Films, tmp_path: Path
) -> None:
    film = films("full.mp4", *GOP, "-pix_fmt", "yuvj420p")
    full, limited = stored_luma(film), stored_luma(films(PLAIN, *GOP))
    assert np.abs(full - limited).mean() > 3
    for how, first, end, mode in WAYS:
        assert cut_frames(film, first, end, tmp_path / "clip.mp4", how).mode == mode
        wanted = limited if mode == "encoded" else full
        assert stored_luma(tmp_path / "clip.mp4") == pytest.approx(wanted[first:end], abs=1.5)
    ranged = ("-vf", "scale=in_range=tv:out_range=pc", "-color_range", "pc", "-pix_fmt", "yuv420p")
    other = films("full.mkv", *ranged, "-c:v", "ffv1")  # whose pixel format does not tell
    assert np.abs(stored_luma(other) - limited).mean() > 3
    cut_frames(other, 13, 60, tmp_path / "clip.mp4")
    assert stored_luma(tmp_path / "clip.mp4") == pytest.approx(limited[13:60], abs=1.5)


@pytest.mark.parametrize(
    "coding",
    [("-pix_fmt", "yuv444p"), ("-pix_fmt", "yuv422p"), ("-c:v", "ffv1", "-pix_fmt", "bgr0"), ("-pix_fmt", "gray")],
    ids=["4:4:4", "4:2:2", "rgb", "gray"],
)
def test_encoded_clips_are_what_every_player_takes(films: Films, tmp_path: Path, coding: tuple[str, ...]) -> None:
    film = films(f"{'_'.join(coding[-1:])}.mkv", *X264, *coding)
    clip = cut_frames(film, 13, 60, tmp_path / "clip.mp4", ENCODE)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    assert numbers(tmp_path / "clip.mp4") == list(range(13, 60))
    assert np.abs(shown(tmp_path / "clip.mp4", WIDTH, HEIGHT) - shown(films.master, WIDTH, HEIGHT)[13:60]).mean() < 4
    assert clip.mode == "encoded"


def test_odd_sides_lose_a_row_or_column(films: Films, tmp_path: Path) -> None:
    film = films("odd.mkv", "-vf", "crop=159:95:0:0", *X264, "-pix_fmt", "yuv444p")
    clip = cut_frames(film, 13, 60, tmp_path / "clip.mp4")
    assert (clip.width_px, clip.height_px, clip.mode) == (158, 94, "encoded")
    assert (
        np.abs(shown(tmp_path / "clip.mp4", 158, 94) - shown(films.master, WIDTH, HEIGHT)[13:60, :94, :158]).mean() < 4
    )


def test_picture_that_no_encoder_takes_is_the_items_fault(films: Films, tmp_path: Path) -> None:
    thin = films("thin.mkv", "-vf", "format=yuv444p,crop=1:95:0:0", "-c:v", "ffv1", "-pix_fmt", "yuv444p")
    with pytest.raises(ItemError, match="1x95") as caught:
        cut_frames(thin, 0, 5, tmp_path / "clip.mp4")
    assert caught.value.code == "encode_failed"


def gaps(films: Films) -> Path:
    """The film without frames 10 to 14, 30 to 34, and so on; a key frame every 32."""
    kept = "select='not(between(mod(n,20),10,14))'"
    return films("gaps.mkv", *GOP, "-vf", kept, "-fps_mode", "passthrough")


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_variable_rate_keeps_its_times(films: Films, tmp_path: Path, how: Cutting) -> None:
    there, at = numbers(gaps(films)), times_s(gaps(films))
    for first, end in ((0, 80), (5, 70), (40, 68)):
        clip = cut_frames(gaps(films), first, end, tmp_path / "clip.mp4", how)
        wanted = [(number - there[first]) / FPS for number in there[first:end]]
        assert [time_s for time_s, _ in grays(tmp_path / "clip.mp4")] == pytest.approx(wanted, abs=0.0015)
        assert clip.duration_s == pytest.approx(at[end] - at[first], abs=0.002)


def header_s(path: Path) -> float:
    """How long an mp4 lasts by its header, which is what players show."""
    data = path.read_bytes()
    at = data.index(b"mvhd") + 16
    return int.from_bytes(data[at + 4 : at + 8]) / int.from_bytes(data[at : at + 4])


# When frame N is shown, in 1/25 s.
RATES = {"uneven": "N*2+4*floor(N/7)+9*floor(N/31)", "slower": "max(N,N*5-256)", "faster": "min(N*5,N+256)"}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("rate", RATES)
def test_last_frame_of_a_variable_rate_is_shown_until_the_next_one_would_be(
    films: Films, tmp_path: Path, rate: str, suffix: str
) -> None:
    paced = ("-vf", f"settb=1/25,setpts='{RATES[rate]}'", "-fps_mode", "passthrough", "-enc_time_base", "1/25")
    film, modes = films(f"{rate}.{suffix}", *GOP, *paced, "-an"), set()
    at = times_s(film)
    for first, end in ((0, 31), (32, 96), (40, 100)):
        clip = cut_frames(film, first, end, tmp_path / "clip.mp4")
        modes.add(clip.mode)
        assert (clip.duration_s, header_s(tmp_path / "clip.mp4")) == pytest.approx(
            (at[end] - at[first],) * 2, abs=0.002
        )
    assert "joined" in modes


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(10), Fraction(60), Fraction(30000, 1001)])
def test_variable_rate_is_made_constant(films: Films, tmp_path: Path, fps: Fraction) -> None:
    there = numbers(gaps(films))
    clip = cut_frames(gaps(films), 5, 70, tmp_path / "clip.mp4", replace(SMART, fps=fps))
    assert clip.mode == "encoded"
    seen = grays(tmp_path / "clip.mp4")
    assert [time_s for time_s, _ in seen] == pytest.approx([n / fps for n in range(len(seen))], abs=0.001)
    assert len(seen) / fps == pytest.approx((there[70] - there[5]) / FPS, abs=float(1 / fps))
    # each frame is the last one that the source shows by then
    last_shown = [max(n for n in there[5:70] if (n - there[5]) / FPS <= k / fps + 0.001) for k in range(len(seen))]
    assert numbers(tmp_path / "clip.mp4") == last_shown
    assert (last_shown[0], last_shown[-1]) == (there[5], there[69]) or fps == 10


def test_rate_that_is_constant_already_is_copied(films: Films, tmp_path: Path) -> None:
    film = films(PLAIN, *GOP)
    for fps, mode in ((Fraction(25), "copied"), (Fraction(24), "encoded")):
        assert cut_frames(film, 32, 64, tmp_path / "clip.mp4", replace(SMART, fps=fps)).mode == mode
