"""Limits hold for what is read of a file: what its header claims beyond them is a note."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from support.measured import analyzed, made, skimmed
from support.numbered import SMART, X264

from slurm.errors import ItemError
from stages.core.fetch.probe import probe
from stages.core.fetch.settings import Limits
from stages.core.video.cut.clip import cut
from stages.core.video.read.at_times import Span, read_at_times
from stages.core.video.read.packets import open_video

PICTURE, SOUND = "testsrc2=s=160x96:r=25:d=3", "sine=d=3"
HOUR_S, MAX_S, MAX_PIXELS = 3600, 43_200.0, 36_000_000


def matroska(data: bytearray, hours: int) -> None:
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a double in milliseconds
    data[at : at + 8] = struct.pack(">d", hours * HOUR_S * 1000)


def flv(data: bytearray, hours: int) -> None:
    at = data.index(b"duration\0") + 9
    data[at : at + 8] = struct.pack(">d", hours * HOUR_S)


def avi(data: bytearray, hours: int) -> None:
    for at in (data.index(b"avih") + 24, data.index(b"strh") + 40):  # numbers of frames
        data[at : at + 4] = struct.pack("<I", hours * HOUR_S * 25)


CLAIMS: dict[str, tuple[Callable[[bytearray, int], None], tuple[str, ...]]] = {
    "a.mkv": (matroska, (*X264, "-g", "25", "-c:a", "flac")),
    "a.webm": (matroska, ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25")),
    "a.flv": (flv, (*X264, "-g", "25", "-c:a", "aac", "-ar", "44100")),
    "a.avi": (avi, ("-c:v", "mpeg4", "-c:a", "mp3")),
}


def claiming(folder: Path, name: str, hours: int) -> Path:
    claim, coding = CLAIMS[name]
    path = made(folder / name, PICTURE, *coding, sound=SOUND)
    data = bytearray(path.read_bytes())
    claim(data, hours)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", CLAIMS)
def test_a_video_that_claims_to_last_100_hours_lasts_as_long_as_it_does(tmp_path: Path, name: str) -> None:
    path = claiming(tmp_path, name, 100)
    note = ["its header claims 360000 s, more than 43200 s"]
    for row, _ in (analyzed(path), skimmed(path)):
        assert row["duration_s"] == pytest.approx(3, abs=0.1)
        assert (row["coverage"], row["notes"]) == (1, note)
    found = probe(path, Limits(max_s=MAX_S, max_gb=1, max_pixels=MAX_PIXELS, stall_s=1))
    assert (found["duration_s"], found["notes"]) == (pytest.approx(3, abs=0.1), note)
    halves = [Span(None, None, share) for share in (0, 0.5)]
    times_s = [time_s for _, time_s, _ in read_at_times(str(path), halves, MAX_PIXELS, MAX_S)]
    assert times_s == pytest.approx([0, 1.5], abs=0.1)
    assert cut(str(path), 1, 2, tmp_path / "clip.mp4", SMART).frames == 25


@pytest.mark.parametrize("name", CLAIMS)
def test_a_video_that_is_too_long_is_refused_whatever_it_claims(tmp_path: Path, name: str) -> None:
    path = claiming(tmp_path, name, 100)
    with pytest.raises(ItemError) as caught, open_video(str(path), MAX_PIXELS, 2):
        pass
    assert caught.value.code == "too_large"
    with pytest.raises(ItemError) as caught:
        probe(path, Limits(max_s=2, max_gb=1, max_pixels=MAX_PIXELS, stall_s=1))
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.avi"])
def test_a_claim_within_the_limits_is_not_believed_of_a_file_that_is_all_there(tmp_path: Path, name: str) -> None:
    path = claiming(tmp_path, name, 2)
    for row, _ in (analyzed(path), skimmed(path)):
        assert row["duration_s"] == pytest.approx(3, abs=0.1)
        assert (row["coverage"], row["notes"]) == (1, ["its header claims 7200 s, its pictures end after 3 s"])
    path.write_bytes(path.read_bytes()[:-5000])  # torn: then it may be so
    with pytest.raises(ItemError) as caught:
        analyzed(path)
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("name", CLAIMS)
def test_frames_are_sampled_from_what_there_is_where_the_claim_is_within_the_limits(tmp_path: Path, name: str) -> None:
    path = claiming(tmp_path, name, 1)
    thirds = [Span(None, None, share) for share in (0, 1 / 3, 2 / 3)]
    times_s = [time_s for _, time_s, _ in read_at_times(str(path), thirds, MAX_PIXELS, MAX_S)]
    assert times_s == pytest.approx([0, 1, 2], abs=0.1)


def test_pictures_that_no_decoder_takes_for_their_size_are_too_large(tmp_path: Path) -> None:
    path = made(tmp_path / "large.mkv", "testsrc2=s=640x480:r=25:d=1", *X264)
    for pixels in (640 * 480 - 1, 100):  # refused when it is decoded, refused by the decoder
        with open_video(str(path), pixels, MAX_S) as video, pytest.raises(ItemError) as caught:
            list(video.frames())
        assert caught.value.code == "too_large"
