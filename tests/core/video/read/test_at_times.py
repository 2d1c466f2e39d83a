"""The frame that is shown at a time is found in every kind of file, and nothing is decoded twice."""

from pathlib import Path

import numpy as np
import pytest
from support.numbered import FRAMES, X264, Films, number
from support.numbered import times_s as times_of

from slurm.errors import ItemError
from stages.core.video.read import parts, span
from stages.core.video.read.at_times import Span, read_at_times

LIMITS = (10**8, 10**5)
GOP = ("-g", "40", *X264)
SOURCES: dict[str, tuple[str, ...]] = {
    "closed.mp4": (*GOP, "-bf", "2"),
    "open_gop.mp4": (*GOP, "-bf", "3", "-x264-params", "open-gop=1"),
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=40:open-gop=1"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-g", "40", "-q:v", "3"),
    "broadcast.ts": (*GOP, "-bf", "2"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "40", "-b:v", "300k"),
    "av1.mkv": ("-c:v", "libsvtav1", "-preset", "12", "-g", "40", "-crf", "30", "-c:a", "libopus"),
    "late.mkv": (*GOP, "-output_ts_offset", "5"),
    "refresh.ts": (*GOP, "-x264-params", "intra-refresh=1:keyint=25"),
    "timeless.h264": (*GOP, "-bf", "2", "-an"),
}  # fmt: skip
SHARES = [0.0, 0.01, 0.3, 0.31, 0.5, 0.77, 0.999]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def shown(path: Path, spans: list[Span]) -> dict[int, tuple[int, float]]:
    """Of each span the number that its frame shows, and its time."""
    return {
        place: (number(np.asarray(frame.to_ndarray(format="gray"), np.uint8)), time_s)
        for place, time_s, frame in read_at_times(str(path), spans, *LIMITS)
    }


@pytest.mark.parametrize("name", SOURCES)
def test_the_frame_shown_at_a_time_is_found_by_a_seek(films: Films, name: str) -> None:
    film = films(name, *SOURCES[name])
    at = times_of(film)
    spans = [Span(at[first], at[end], share) for first, end in ((0, FRAMES), (37, 43), (100, 149)) for share in SHARES]
    found = shown(film, spans)
    assert sorted(found) == list(range(len(spans)))
    for place, (own, time_s) in found.items():
        start_s, end_s, share = spans[place]
        assert start_s is not None
        assert end_s is not None
        until_s = min(start_s + share * (end_s - start_s), end_s - 0.001) + 0.0005
        wanted = max(n for n, begin_s in enumerate(at[:-1]) if begin_s <= until_s)
        assert own == wanted, spans[place]
        assert time_s == pytest.approx(at[wanted], abs=0.001)


def test_hidden_frames_of_a_copied_clip_are_not_counted(films: Films) -> None:
    film = films("copied.mp4", "-c", "copy", source=films("closed.mp4", *SOURCES["closed.mp4"]), skip_s=1.5)
    at = times_of(film)
    first = shown(film, [Span(0.0, at[-1], 0.0)])[0][0]
    assert first in {37, 38}, "1.5 s are 37.5 frames"
    found = shown(film, [Span(0.0, at[-1], (n + 0.5) / 20) for n in range(20)])
    for place, (own, time_s) in found.items():
        assert own - first == round(time_s * 25), place


def test_frames_of_different_lengths_are_chosen_by_time(films: Films) -> None:
    film = films("varying.mkv", "-vf", "select='lt(n,20)+eq(n,60)+gte(n,140)'", "-fps_mode", "vfr", *GOP, "-an")
    at = times_of(film, 31)
    spans = [Span(0.0, 6.0, share / 6) for share in (0.5, 1.5, 2.3, 2.5, 5.5, 5.7)]
    assert [own for own, _ in (shown(film, spans)[n] for n in range(6))] == [12, 19, 19, 60, 60, 142]
    assert at[21] == pytest.approx(5.6, abs=0.01)
    assert shown(film, [Span(1.0, 5.0, 0.1)])[0][0] == 60, "the first frame in the span where none has begun by then"
    assert shown(film, [Span(1.0, 2.0, 0.5)]) == {}, "a span in which no frame begins has none"
    beside = shown(film, [Span(1.0, 2.0, 0.5), Span(1.2, 3.0, 0.9)])
    assert {place: own for place, (own, _) in beside.items()} == {1: 60}, "not even where another span has one"


def test_without_a_span_the_whole_video_is_meant(films: Films) -> None:
    film = films("closed.mp4", *SOURCES["closed.mp4"])
    found = shown(film, [Span(None, None, (n + 0.5) / 5) for n in range(5)])
    assert [found[n][0] for n in range(5)] == [15, 45, 75, 105, 135]


@pytest.mark.parametrize("count", [3, 20, 400])
def test_no_frame_is_decoded_twice_and_long_ways_are_skipped(
    films: Films, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = films("closed.mp4", *SOURCES["closed.mp4"])
    decoded: list[int] = []
    original = span.decode_frames

    def counted(*given: object) -> object:
        for frame in original(*given):  # type: ignore[arg-type]
            decoded.append(frame.pts or 0)
            yield frame

    monkeypatch.setattr(parts, "decode_frames", counted)
    assert len(shown(film, [Span(0.0, 6.0, (n + 0.5) / count) for n in range(count)])) == count
    assert len(decoded) == len(set(decoded)) <= FRAMES
    if count == 3:
        assert len(decoded) < FRAMES // 2


def test_a_file_that_is_gone_or_no_video_is_told(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="missing"):
        shown(tmp_path / "gone.mp4", [Span(None, None, 0.5)])
    (tmp_path / "text.mp4").write_text("no video\n" * 50)
    with pytest.raises(ItemError, match="corrupt"):
        shown(tmp_path / "text.mp4", [Span(None, None, 0.5)])


def test_a_torn_file_gives_what_can_be_read(films: Films, tmp_path: Path) -> None:
    whole = films("broadcast.ts", *SOURCES["broadcast.ts"])
    torn = tmp_path / "torn.ts"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    found = shown(torn, [Span(0.0, 6.0, 0.1), Span(0.0, 6.0, 0.2), Span(5.0, 6.0, 0.5)])
    at = times_of(whole)
    assert {place: own for place, (own, _) in found.items()} == {
        place: max(n for n, begin_s in enumerate(at) if begin_s <= 6 * share) for place, share in ((0, 0.1), (1, 0.2))
    }
