"""Clips of damaged videos: none counts that does not decode, and the row tells what is damaged."""

import subprocess
from pathlib import Path

import av
import pytest
from support.numbered import SMART, X264, Films, cut_frames

from stages.core.video.cut.clip import cut
from stages.core.video.cut.encode import ffmpeg_path

GOP = (*X264, "-g", "25", "-bf", "2", "-c:a", "aac")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "25", "-crf", "40", "-c:a", "libopus")


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def damaged(films: Films, out: Path, kind: str, frames: tuple[int, ...], *coding: str) -> Path:
    """The film with 16 bytes in the middle of the packets at these numbers overwritten."""
    source = films(f"whole_{out.name}", *coding)
    with av.open(str(source)) as container:
        (stream,) = [one for one in container.streams if one.type == kind]
        packets = [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]
    data = bytearray(source.read_bytes())
    for number in frames:
        at, size = packets[number]
        middle = (at or 0) + size // 2
        data[middle : middle + 16] = bytes((37 * n + number) % 251 for n in range(16))
    out.write_bytes(data)
    return out


def complaints(path: Path) -> str:
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


@pytest.mark.parametrize(("name", "coding"), [("a.mp4", GOP), ("a.mkv", GOP), ("av1.mkv", AV1)])
def test_a_clip_is_copied_only_where_every_frame_of_it_decodes(
    films: Films, tmp_path: Path, name: str, coding: tuple[str, ...]
) -> None:
    film, out = damaged(films, tmp_path / name, "video", (55, 58, 61), *coding), tmp_path / "clip.mp4"
    assert complaints(film)
    for first, end, mode in ((0, 25, "copied"), (50, 75, "encoded"), (100, 125, "copied")):
        clip = cut(str(film), first / 25, end / 25, out, SMART)
        assert clip.mode == mode
        assert (clip.decode_errors > 0) == (mode == "encoded")
        assert complaints(out) == ""


def test_damaged_sound_is_not_copied(films: Films, tmp_path: Path) -> None:
    film, out = damaged(films, tmp_path / "sound.mp4", "audio", (48, 50, 52), *GOP), tmp_path / "clip.mp4"
    assert complaints(film)
    assert cut_frames(film, 25, 75, out).mode == "copied"
    assert complaints(out) == ""
