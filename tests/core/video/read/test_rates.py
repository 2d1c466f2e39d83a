"""Frame rates of short files, and frames as a player shows them: edit lists, and a last frame without an end."""

from pathlib import Path

import numpy as np
import pytest
from support.measured import analyzed, made
from support.numbered import ENCODE, SMART, X264, Films, ffmpeg, numbers, times_s

from stages.core.video.cut.clip import cut
from stages.core.video.read.packets import open_video

SHORT: dict[str, tuple[str, ...]] = {
    "vp8.webm": ("-c:v", "libvpx", "-threads", "1", "-deadline", "realtime", "-cpu-used", "8"),
    "mjpeg.mkv": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "h264.mkv": (*X264, "-bf", "0"),
    "mpeg4.mkv": ("-c:v", "mpeg4"),
    "flv1.flv": ("-c:v", "flv1"),
}


def without_rate(path: Path) -> None:
    """Takes the declared frame rate out of a file: Matroska's DefaultDuration, FLV's framerate."""
    data = path.read_bytes().replace(b"framerate", b"framerxte")
    at = data.find(b"\x23\xe3\x83\x84")
    path.write_bytes(data if at < 0 else data[:at] + b"\xec\x86" + bytes(6) + data[at + 8 :])


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 30])
@pytest.mark.parametrize("name", SHORT)
def test_a_short_file_in_milliseconds_has_the_rate_of_its_frames(tmp_path: Path, name: str, frames: int) -> None:
    for rate, fps in (("25", 25), ("30000/1001", 29.97)):
        path = tmp_path / f"{fps}_{name}"
        made(path, f"testsrc2=s=160x96:r={rate}:d=9", *SHORT[name], "-frames:v", str(frames))
        without_rate(path)
        with open_video(str(path), 10**8, 10**5) as video:
            assert float(video.facts.fps) == pytest.approx(fps, rel=0.0015)
            times_s = [time_s for time_s, _ in video.frames()]
            assert video.end_s(times_s[-1]) == pytest.approx(frames / fps, abs=0.002)


def without_last_duration(path: Path, source: Path) -> Path:
    """The mp4, its last frame without a duration, so that its edit list ends where that begins."""
    data = bytearray(source.read_bytes())
    at = data.index(b"stts") + 4
    count, ticks = (int.from_bytes(data[at + n : at + n + 4], "big") for n in (8, 12))
    entries = (b"", (2).to_bytes(4, "big"), (count - 1).to_bytes(4, "big"), ticks.to_bytes(4, "big"))
    data[at : at + 16] = bytes(4) + b"".join(entries) + (1).to_bytes(4, "big") + bytes(4)
    for box in (b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        size = data.index(box) - 4
        data[size : size + 4] = (int.from_bytes(data[size : size + 4], "big") + 8).to_bytes(4, "big")
    for box, skipped in ((b"mdhd", 16), (b"elst", 8), (b"tkhd", 20), (b"mvhd", 16)):
        at = data.index(box) + 4 + skipped
        lasts = (count - 1) * (ticks if box == b"mdhd" else 40)
        data[at : at + 4] = lasts.to_bytes(4, "big")
    assert data.index(b"mdat") < data.index(b"moov")  # so that nothing that is pointed at has moved
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_the_last_frame_is_kept_where_it_has_no_duration(films: Films, tmp_path: Path, b_frames: str) -> None:
    whole = films(f"whole{b_frames}.mp4", *X264, "-g", "25", "-bf", b_frames, "-an")
    path = without_last_duration(tmp_path / "a.mp4", whole)
    row, _ = analyzed(path)
    assert (row["frames"], row["stored_frames"], row["fps"]) == (150, 150, 25)
    assert row["duration_s"] == pytest.approx(6)
    for how in (SMART, ENCODE):
        cut(str(path), 4, row["duration_s"], tmp_path / "clip.mp4", how)
        assert numbers(tmp_path / "clip.mp4") == list(range(100, 150))


def test_a_frame_behind_the_end_of_an_edit_list_stays_hidden(films: Films, tmp_path: Path) -> None:
    path = films("whole0.mp4", *X264, "-g", "25", "-bf", "0", "-an")
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    data[at : at + 4] = (5960).to_bytes(4, "big")  # ms: all but the last frame, which has a duration
    (tmp_path / "a.mp4").write_bytes(data)
    row, _ = analyzed(tmp_path / "a.mp4")
    assert (row["frames"], row["stored_frames"]) == (149, 150)


def test_frames_are_those_that_a_player_shows_and_stored_ones_have_a_name_of_their_own(
    films: Films, tmp_path: Path
) -> None:
    whole = films("gop50.mp4", *X264, "-g", "50", "-bf", "2")
    ffmpeg("-ss", "1.5", "-i", whole, "-c", "copy", tmp_path / "edited.mp4")  # hides what is only there to be decoded
    shown = len(numbers(tmp_path / "edited.mp4"))
    row, _ = analyzed(tmp_path / "edited.mp4")
    assert row["frames"] == shown < row["stored_frames"]
    assert len(times_s(tmp_path / "edited.mp4")) - 1 == shown
    assert row["duration_s"] == pytest.approx(shown / 25, abs=0.001)
    assert np.isclose(row["fps"], 25)
