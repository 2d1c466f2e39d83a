"""Clips, copied, joined and encoded: the frames of the span and no other, at their times, whatever the source is."""

from pathlib import Path

import pytest
from support.numbered import (
    ENCODE,
    FRAMES,
    SMART,
    X264,
    Films,
    cut_frames,
    grays,
    numbers,
    numbers_by_decord,
    numbers_by_ffmpeg,
    times_s,
)

from stages.core.video.cut.clip import Cutting, cut

GOP_12 = (*X264, "-g", "12", "-bf", "2", "-r", "30000/1001")
GOP_32 = (*X264, "-g", "32", "-bf", "3")
GOP_250 = (*X264, "-g", "250", "-bf", "8", "-r", "60")
OPEN = (*X264, "-g", "32", "-bf", "3", "-x264-params", "open-gop=1")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-bf", "3")
HEVC = (*X265, "-x265-params", "log-level=error:keyint=32:min-keyint=32:scenecut=0:open-gop=0")
HEVC_OPEN = (*X265, "-x265-params", "log-level=error:keyint=32:min-keyint=32:scenecut=0:open-gop=1")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "32", "-b:v", "1M", "-c:a", "libopus")
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-g", "32", "-crf", "30", "-c:a", "libopus")
GAPS = (*GOP_32, "-vf", "select='not(between(mod(n,20),5,7))'", "-fps_mode", "passthrough")
RETIMED = {"gop12.mp4": "setpts=N*1001/30000/TB", "gop250.mkv": "setpts=N/60/TB"}

# Of each: how (0, 64), (32, 64), (37, 101) and (33, 45) are cut; frames that are not there are left out.
SOURCES: dict[str, tuple[tuple[str, ...], tuple[str, str, str, str]]] = {
    "gop32.mp4": (GOP_32, ("copied", "copied", "joined", "encoded")),
    "gop32.mkv": (GOP_32, ("copied", "copied", "joined", "encoded")),
    "gop32.ts": (GOP_32, ("copied", "copied", "joined", "encoded")),
    "gop32.flv": ((*GOP_32, "-ar", "44100"), ("copied", "copied", "joined", "encoded")),
    "gop12.mp4": (GOP_12, ("joined", "joined", "joined", "encoded")),
    "gop250.mkv": (GOP_250, ("joined", "encoded", "encoded", "encoded")),
    "open.mp4": (OPEN, ("joined", "encoded", "encoded", "encoded")),
    "gaps.mkv": (GAPS, ("copied", "copied", "joined", "encoded")),
    "baseline.mp4": ((*GOP_32, "-profile:v", "baseline"), ("copied", "copied", "joined", "encoded")),
    "ten_bit.mp4": ((*GOP_32, "-pix_fmt", "yuv420p10le"), ("copied", "copied", "encoded", "encoded")),
    "interlaced.mp4": ((*GOP_32, "-flags", "+ilme+ildct"), ("copied", "copied", "encoded", "encoded")),
    "hevc.mp4": (HEVC, ("copied", "copied", "encoded", "encoded")),
    "hevc.ts": (HEVC, ("copied", "copied", "encoded", "encoded")),
    "hevc_open.mkv": (HEVC_OPEN, ("encoded", "encoded", "encoded", "encoded")),
    "vp9.webm": (VP9, ("copied", "copied", "encoded", "encoded")),
    "av1.mkv": (AV1, ("copied", "copied", "encoded", "encoded")),
    "mpeg4.avi": (("-c:v", "mpeg4", "-bf", "2", "-c:a", "mp3"), ("encoded",) * 4),
    "mpeg2.mpg": (("-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"), ("encoded",) * 4),
}
SPANS = ((0, 64), (32, 64), (37, 101), (33, 45))


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def source(films: Films, name: str) -> Path:
    coding, _ = SOURCES[name]
    retimed = RETIMED.get(name)
    return films(name, *(("-vf", retimed, "-an") if retimed else ()), *coding)


@pytest.mark.parametrize("name", SOURCES)
def test_clip_has_exactly_its_frames_however_it_is_made(films: Films, tmp_path: Path, name: str) -> None:
    film, out = source(films, name), tmp_path / "clip.mp4"
    there, at = numbers(film), times_s(film)
    found = []
    for first, end in SPANS:
        clip = cut_frames(film, first, end, out)
        found.append(clip.mode)
        assert numbers(out) == there[first:end], (first, end, clip)
        assert numbers_by_ffmpeg(out) == there[first:end]
        assert [time_s for time_s, _ in grays(out)] == pytest.approx(
            [time_s - at[first] for time_s in at[first:end]], abs=0.001
        )
        assert clip.duration_s == pytest.approx(at[end] - at[first], abs=0.002)
        assert clip.frames == end - first
        assert clip.bytes == out.stat().st_size
        if name != "av1.mkv":  # decord 0.6 cannot read AV1
            assert numbers_by_decord(out) == there[first:end]
    assert tuple(found) == SOURCES[name][1]


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
@pytest.mark.parametrize(("first", "end"), [(0, 1), (0, FRAMES), (1, 2), (31, 33), (64, 65), (149, 150), (96, 150)])
def test_first_last_and_single_frames_are_exact(
    films: Films, tmp_path: Path, first: int, end: int, how: Cutting
) -> None:
    clip = cut_frames(source(films, "gop32.mp4"), first, end, tmp_path / "clip.mp4", how)
    assert numbers(tmp_path / "clip.mp4") == numbers_by_decord(tmp_path / "clip.mp4") == list(range(first, end))
    assert (clip.mode == "encoded") == (clip.encoded_frames == clip.frames)


# Files whose times are not what they seem: how they are made from the film with a key frame every 32 frames.
ODD: dict[str, tuple[str, ...]] = {
    "edited.mp4": ("-c", "copy"),  # an edit list hides frames that are only there to be decoded
    "fragments.mp4": ("-c", "copy", "-movflags", "+frag_keyframe+empty_moov"),
    "wraps.ts": ("-c", "copy", "-output_ts_offset", "95441"),  # 33 bits of 90 kHz overflow 2.7 s later
    "late.mkv": ("-c", "copy", "-output_ts_offset", "60"),
    # of packets before 0 Matroska's reader tells no time
    "early.mkv": ("-c", "copy", "-avoid_negative_ts", "disabled", "-output_ts_offset", "-1"),
    "refresh.ts": (*X264, "-x264-params", "intra-refresh=1:keyint=25"),  # no key frame but the first
    "disordered.avi": ("-c", "copy"),  # AVI stores no times of B-frames
    "timeless.h264": ("-c", "copy", "-an"),
    "full_range.mp4": (*GOP_32, "-pix_fmt", "yuvj420p"),
    "slices.mp4": (*GOP_32, "-x264-params", "slices=4"),
}


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
@pytest.mark.parametrize("name", ODD)
def test_clip_is_exact_where_times_are_odd(films: Films, tmp_path: Path, name: str, how: Cutting) -> None:
    film = films(name, *ODD[name], source=source(films, "gop32.mp4"), skip_s=1.5 if name == "edited.mp4" else 0)
    there, out = numbers(film), tmp_path / "clip.mp4"
    for first, end in ((0, 30), (11, 45), (50, 70), (len(there) - 40, len(there))):
        clip = cut_frames(film, first, end, out, how)
        assert numbers(out) == numbers_by_ffmpeg(out) == numbers_by_decord(out) == there[first:end], (first, end, clip)


def test_frames_that_are_stored_as_repeats_are_left_out_and_no_other(films: Films, tmp_path: Path) -> None:
    # Theora stores a repeat as an empty packet, and the doubled rate repeats each frame
    film = films("repeats.ogv", "-c:v", "libtheora", "-q:v", "8", "-r", "50", "-c:a", "libvorbis")
    for first, end in ((0, 32), (32, 64), (100, 150)):
        assert cut(str(film), first / 25, end / 25, tmp_path / "clip.mp4", SMART).frames == end - first
        assert numbers(tmp_path / "clip.mp4") == list(range(first, end))


def edited_twice(films: Films) -> Path:
    """The film by an edit list that shows frames 0 to 49, then 75 to 124."""
    data = bytearray(films("silent.mp4", *GOP_32, "-an").read_bytes())
    at = data.index(b"elst") + 4  # version, count, and of the one entry duration (ms), media time and rate
    begin = int.from_bytes(data[at + 12 : at + 16], "big")
    entries = [(2000).to_bytes(4, "big") + (begin + n * 512).to_bytes(4, "big") + b"\0\1\0\0" for n in (0, 75)]
    data[at : at + 20] = b"\0\0\0\0" + (2).to_bytes(4, "big") + b"".join(entries)
    for box in (b"elst", b"edts", b"trak", b"moov"):
        size = data.index(box) - 4
        data[size : size + 4] = (int.from_bytes(data[size : size + 4], "big") + 12).to_bytes(4, "big")
    assert data.index(b"mdat") < data.index(b"moov")  # so that nothing that is pointed at has moved
    out = films.folder / "edited_twice.mp4"
    out.write_bytes(data)
    return out


@pytest.mark.parametrize("how", [SMART, ENCODE], ids=["smart", "encode"])
def test_frames_that_an_edit_list_hides_are_in_no_clip(films: Films, tmp_path: Path, how: Cutting) -> None:
    film, out = edited_twice(films), tmp_path / "clip.mp4"
    there, at = [*range(50), *range(75, 125)], times_s(film)
    assert numbers(film) == there
    for first, end in ((0, 30), (20, 70), (45, 55), (60, 90), (0, 100)):
        cut_frames(film, first, end, out, how)
        assert numbers(out) == numbers_by_ffmpeg(out) == numbers_by_decord(out) == there[first:end]
    cut(str(film), at[60], 60, out, how)
    assert numbers(out) == there[60:]
