"""Clips of real files: each has its own flow, whatever the file's shape and however its frames are reached."""

import struct
import subprocess
from collections.abc import Iterator, Sequence
from itertools import chain
from math import hypot
from pathlib import Path

import pytest
from av.video.frame import VideoFrame
from support.sliding import FPS, slide, write_film

from slurm.errors import ItemError
from stages.core.video.cut.encode import ffmpeg_path
from stages.core.video.flow.clips import measure_clips
from stages.core.video.flow.dis import DisMeter
from stages.core.video.flow.one_pass import Flows, Span
from stages.core.video.flow.settings import Settings
from stages.core.video.read import parts, span
from stages.core.video.read.frames import Image
from stages.core.video.read.packets import Video

SHIFTS = ((10.0, 0.0), (0.0, 0.0), (-21.0, 28.0))  # of three shots of two seconds
SHOT = 2 * FPS
SPANS = [Span(2.0 * n, 2.0 * n + 2) for n in range(3)]
LONG_GOP = ("-g", "500", "-sc_threshold", "0", "-bf", "3")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots without a key frame but the first."""
    pictures = chain.from_iterable(slide(shift, SHOT) for shift in SHIFTS)
    return write_film(tmp_path_factory.mktemp("films") / "shots.mp4", pictures, (480, 260), *LONG_GOP)


def again(path: Path, name: str, *arguments: str) -> Path:
    """The film written once more by ffmpeg."""
    out = path.with_name(name)
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", "-i", str(path), *arguments, str(out)], check=True)
    return out


def turned(path: Path, *matrix: int) -> Path:
    """The film with this display matrix in its index (a b c d of x' = a x + c y, y' = b x + d y)."""
    data, out = path.read_bytes(), path.with_name("turned.mp4")
    plain, other = (
        struct.pack(">9i", *(n << 16 for n in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
        for a, b, c, d in ((1, 0, 0, 1), matrix)
    )
    at = data.index(plain, data.index(b"tkhd"))
    out.write_bytes(data[:at] + other + data[at + len(plain) :])
    return out


def measured(path: Path, spans: Sequence[Span], settings: Settings) -> Flows[Image]:
    return measure_clips(str(path), spans, settings, DisMeter())


def means(path: Path, spans: Sequence[Span], settings: Settings) -> list[float]:
    flows = measured(path, spans, settings)
    assert not flows.errors
    return [sum(values) / len(values) for values in flows.found]


def test_every_clip_has_its_own_flow(shots: Path, settings: Settings) -> None:
    flows = measured(shots, SPANS, settings)
    assert [len(values) for values in flows.found] == [3, 3, 3]
    for values, shift in zip(flows.found, SHIFTS, strict=True):
        assert values == pytest.approx([hypot(*shift)] * 3, rel=0.05, abs=0.05)


def test_clips_are_the_same_alone_together_and_in_any_order(shots: Path, settings: Settings) -> None:
    spans = [SPANS[2], Span(0.5, 1.7), SPANS[0], Span(3.0, 3.2), Span(0.25, 1.9)]
    alone = [measured(shots, [span], settings).found[0] for span in spans]
    assert measured(shots, spans, settings).found == alone
    assert [len(values) for values in alone] == [3, 2, 3, 0, 3]


def test_a_whole_video_has_the_flow_of_all_its_pairs(shots: Path, settings: Settings) -> None:
    (values,) = measured(shots, [Span()], settings).found
    inside = [*values[:3], *values[4:7], *values[8:]]  # not those across a cut
    assert [len(values), *inside] == [11, *chain.from_iterable(measured(shots, SPANS, settings).found)]


def test_between_clips_nothing_is_decoded_twice_and_what_a_seek_leaves_out_is_not_decoded(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = write_film(tmp_path / "gop.mp4", slide((10, 0), 8 * FPS), (480, 260), "-g", str(2 * FPS), "-bf", "2")
    decoded: list[float] = []
    original = span.decode_frames

    def counted(video: Video, first: int, end: int) -> Iterator[VideoFrame]:
        for frame in original(video, first, end):
            decoded.append(float(frame.time or 0))
            yield frame

    monkeypatch.setattr(parts, "decode_frames", counted)
    flows = measured(film, [Span(6.5, 7.5), Span(0.5, 1.5), Span(2.5, 3.5), Span(1, 1.8)], settings)
    assert [len(values) for values in flows.found] == [1, 1, 1, 1]
    assert len(decoded) == len(set(decoded))
    assert {int(at_s) for at_s in decoded} == {0, 1, 2, 3, 6, 7}, "between 3.5 and 6 s lies a sync frame, at 4 s"
    assert min(at_s for at_s in decoded if at_s >= 4) == 6.5


def test_a_film_that_is_shown_turned_has_the_same_flow(shots: Path, settings: Settings) -> None:
    assert means(turned(shots, 0, 1, -1, 0), SPANS, settings) == pytest.approx(
        means(shots, SPANS, settings), rel=0.02, abs=0.01
    )


@pytest.mark.parametrize("size", ["300:300", "640:200"])
def test_other_shapes_are_stretched(shots: Path, settings: Settings, size: str) -> None:
    stretched = again(shots, "stretched.mp4", "-vf", f"scale={size}")
    assert means(stretched, SPANS, settings) == pytest.approx([hypot(*shift) for shift in SHIFTS], rel=0.05, abs=0.05)


def test_pixels_that_are_not_square_count_for_the_shape(shots: Path, settings: Settings) -> None:
    narrow = again(shots, "narrow.mp4", "-vf", "scale=240:260,setsar=2")
    assert means(narrow, SPANS, settings) == pytest.approx([hypot(*shift) for shift in SHIFTS], rel=0.05, abs=0.05)


def test_broadcasts_that_were_joined_are_read_from_their_start(shots: Path, settings: Settings) -> None:
    part = again(shots, "part.ts", "-c", "copy")
    whole = part.with_name("joined.ts")
    whole.write_bytes(2 * part.read_bytes())
    second = [Span(span.start_s + 6, span.end_s + 6) for span in SPANS]
    assert means(whole, [*SPANS, *second], settings) == pytest.approx(2 * means(shots, SPANS, settings), abs=0.01)


def test_a_clip_that_is_not_there_costs_no_other(shots: Path, settings: Settings) -> None:
    flows = measured(shots, [Span(5.9, 40), SPANS[0], Span(90, 95)], settings)
    assert {number: error.code for number, error in flows.errors.items()} == {0: "corrupt", 2: "no_frames"}
    assert flows.found[1] == pytest.approx([10] * 3, rel=0.05)


@pytest.mark.parametrize("spans", [[Span()], [Span(0, 2)]])
def test_a_video_that_cannot_be_read_says_why(tmp_path: Path, settings: Settings, spans: list[Span]) -> None:
    for name, content, code in (("gone.mp4", None, "missing"), ("none.mp4", b"", "empty"), ("x.mp4", b"x", "corrupt")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ItemError) as caught:
            measured(tmp_path / name, spans, settings)
        assert caught.value.code == code


def test_a_torn_file_gives_the_clips_before_the_tear(shots: Path, settings: Settings) -> None:
    whole = again(shots, "whole.mkv", "-c", "copy")
    torn = whole.with_name("torn.mkv")
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    flows = measured(torn, SPANS, settings)
    assert flows.found[0] == pytest.approx([10] * 3, rel=0.05)
    assert flows.errors[2].code in ("no_frames", "corrupt")
