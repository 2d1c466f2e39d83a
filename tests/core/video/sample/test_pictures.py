"""Pictures of parts of clips: those that a player shows at even times, by either reader, or those that were kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from support.numbered import FPS, FRAMES, X264, Films, ffmpeg, number
from support.numbered import times_s as times_of

from slurm.errors import ItemError
from stages.core.schema.types import Row
from stages.core.video.measure.key_frames import encode_jpeg
from stages.core.video.read.at_times import Span
from stages.core.video.sample.by_decord import DistrustedError, read_by_decord
from stages.core.video.sample.pictures import find_end, open_picture, take_pictures
from stages.core.video.sample.settings import Frames, Limits

LIMITS = Limits(10**8, 10**5)
GOP = ("-g", "40", *X264)
TRUSTED: dict[str, tuple[str, ...]] = {
    "closed.mp4": (*GOP, "-bf", "2"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-g", "40", "-q:v", "3"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "40", "-b:v", "300k"),
    "varying.mkv": ("-vf", "select='lt(n,20)+eq(n,60)+gte(n,140)'", "-fps_mode", "vfr", *GOP, "-an"),
}
DISTRUSTED: dict[str, tuple[str, ...]] = {
    "open_gop.mp4": (*GOP, "-bf", "3", "-x264-params", "open-gop=1"),
    "hevc.mp4": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=40:open-gop=1"),
    "av1.mkv": ("-c:v", "libsvtav1", "-preset", "12", "-g", "40", "-crf", "30", "-c:a", "libopus"),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def frames(**changes: Any) -> Frames:
    given: dict[str, Any] = {
        "source": "even",
        "most": 6,
        "side_px": 160,
        "quality": 95,
        "grid": None,
        "reader": "decord",
    }
    return Frames(**{**given, **changes})


def pictures(job: Row, how: Frames) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], list(take_pictures(job, how, LIMITS)["parts"]))


def taken(file: Path, how: Frames, *spans: tuple[float, float]) -> list[dict[str, Any]]:
    parts: list[Row] = [{"number": n, "start_s": start_s, "end_s": end_s} for n, (start_s, end_s) in enumerate(spans)]
    return pictures({"name": "a", "file": str(file), "parts": parts}, how)


def numbers_in(row: dict[str, Any]) -> list[int]:
    """The numbers that the pictures of a part show."""
    return [number(open_picture(jpeg).mean(axis=2)) for jpeg in row["jpegs"]]


@pytest.mark.parametrize("name", [*TRUSTED, *DISTRUSTED])
def test_both_readers_show_what_a_player_shows_at_even_times(films: Films, name: str) -> None:
    film = films(name, *(TRUSTED | DISTRUSTED)[name])
    at_s = times_of(film)[:-1]
    spans = [(0.0, at_s[-1] + 0.04), (1.5, 3.7), (0.2, 0.44), (4.0, 4.04)]
    by = {reader: taken(film, frames(reader=reader), *spans) for reader in ("decord", "pyav")}
    for place, (start_s, end_s) in enumerate(spans):
        wanted_s = [min(start_s + (n + 0.5) / 6 * (end_s - start_s), end_s - 0.001) + 0.0005 for n in range(6)]
        for found in (rows[place] for rows in by.values()):
            if "error" in found:
                assert not any(start_s <= one < end_s for one in at_s)
                continue
            times_s: list[float] = found["times_s"]
            assert all(start_s - 0.001 <= one < end_s for one in times_s), "never across the ends of its clip"
            inside = [one for one in at_s if start_s - 0.001 <= one < end_s]
            shown = [max([one for one in inside if one <= at] or inside[:1]) for at in wanted_s]
            assert times_s == pytest.approx(sorted({*shown}), abs=0.001)
        assert [by["decord"][place].get(name) for name in ("error", "times_s")] == [
            by["pyav"][place].get("error"), pytest.approx(by["pyav"][place].get("times_s"), abs=0.001)
        ]  # fmt: skip
        if "jpegs" in by["pyav"][place]:
            assert numbers_in(by["decord"][place]) == numbers_in(by["pyav"][place])
            if name != "varying.mkv":
                nearest = [min(range(FRAMES), key=lambda n: abs(at_s[n] - one)) for one in by["pyav"][place]["times_s"]]
                assert numbers_in(by["pyav"][place]) == nearest


@pytest.mark.parametrize("name", TRUSTED)
def test_decord_reads_what_it_can_be_trusted_with(films: Films, name: str) -> None:
    assert list(read_by_decord(str(films(name, *TRUSTED[name])), [Span(0.0, 5.5, 0.5)], 160, 10**8, 10**5))


@pytest.mark.parametrize("name", DISTRUSTED)
def test_decord_is_not_asked_where_it_cannot_read_or_shows_other_pictures(films: Films, name: str) -> None:
    with pytest.raises(DistrustedError):
        list(read_by_decord(str(films(name, *DISTRUSTED[name])), [Span(0.0, 5.5, 0.5)], 160, 10**8, 10**5))


def test_hidden_frames_of_a_copied_clip_are_not_shown(films: Films) -> None:
    film = films("copied.mp4", "-c", "copy", source=films("closed.mp4", *TRUSTED["closed.mp4"]), skip_s=1.5)
    with pytest.raises(DistrustedError, match="hidden"):
        list(read_by_decord(str(film), [Span(0.0, 3.0, 0.5)], 160, 10**8, 10**5))
    first = numbers_in(taken(film, frames(most=1), (0.0, 0.04))[0])[0]
    assert first in {37, 38}, "1.5 s are 37.5 frames"
    (row,) = taken(film, frames(), (0.0, 4.0))
    assert numbers_in(row) == [first + round(one * FPS) for one in row["times_s"]]


def test_a_clip_turned_by_its_file_is_shown_upright_and_hd_has_a_players_colours(films: Films, tmp_path: Path) -> None:
    plain, turned, hd = films("closed.mp4", *TRUSTED["closed.mp4"]), tmp_path / "turned.mp4", tmp_path / "hd.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-metadata:s:v", "rotate=90", turned)
    for row in taken(turned, frames(most=2), (0.0, 2.0)):
        assert [open_picture(jpeg).shape for jpeg in row["jpegs"]] == [(160, 96, 3)] * 2
    ffmpeg("-f", "lavfi", "-i", "color=0x20A060:s=1280x720:r=5:d=2", *X264, hd)
    by = [taken(hd, frames(reader=reader), (0.0, 2.0))[0]["jpegs"][0] for reader in ("decord", "pyav")]
    assert list(read_by_decord(str(hd), [Span(0.0, 2.0, 0.5)], 160, 10**8, 10**5))
    colours = [open_picture(jpeg).mean(axis=(0, 1)) for jpeg in by]
    assert np.abs(colours[0] - colours[1]).max() < 5, "15 without a correction"


def test_pixels_that_are_not_square_are_shown_as_a_player_shows_them(tmp_path: Path) -> None:
    wide = tmp_path / "wide.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=180x144:r=25:d=1,setsar=64/45", *X264, wide)
    (part,) = taken(wide, frames(most=1, side_px=1000), (0.0, 1.0))
    assert open_picture(part["jpegs"][0]).shape == (144, 256, 3)


def test_a_clip_of_few_frames_shows_each_once_and_one_without_any_fails_alone(films: Films) -> None:
    film = films("closed.mp4", *TRUSTED["closed.mp4"])
    short, none, good = taken(film, frames(), (1.0, 1.08), (2.001, 2.03), (3.0, 4.0))
    assert numbers_in(short) == [25, 26]
    assert none["error"] == "no_frames"
    assert len(numbers_in(good)) == 6
    (gone,) = taken(film.with_name("gone.mp4"), frames(), (0.0, 1.0))
    assert gone["error"] == "missing"


def test_a_grid_holds_the_pictures_row_by_row_in_order_of_time(films: Films) -> None:
    (row,) = taken(films("closed.mp4", *TRUSTED["closed.mp4"]), frames(grid=(2, 3)), (0.0, 6.0))
    (jpeg,) = row["jpegs"]
    sheet = open_picture(jpeg)
    assert sheet.shape == (192, 480, 3)
    cells = [sheet[top : top + 96, left : left + 160].mean(axis=2) for top in (0, 96) for left in (0, 160, 320)]
    assert [number(cell) for cell in cells] == [12, 37, 62, 87, 112, 137]


def test_kept_pictures_are_taken_as_they_are_and_shrunk_where_they_are_too_large(tmp_path: Path) -> None:
    jpegs = [encode_jpeg(np.full((96, 160, 3), shade, np.uint8), 80) for shade in (10, 90, 170, 250)]
    pl.DataFrame({"jpeg": jpegs}).write_parquet(tmp_path / "kept.parquet")
    part: Row = {"number": 0, "rows": [1, 3], "times_s": [0.5, 1.5]}
    job: Row = {"name": "a", "file": str(tmp_path / "kept.parquet"), "parts": [part]}
    (row,) = pictures(job, frames(source="key"))
    assert (row["times_s"], row["jpegs"]) == ([0.5, 1.5], [jpegs[1], jpegs[3]])
    (small,) = pictures(job, frames(source="key", side_px=80))
    shapes = [open_picture(jpeg).shape for jpeg in small["jpegs"]]
    assert shapes == [(48, 80, 3)] * 2
    pl.DataFrame({"jpeg": [b"none", None]}).write_parquet(tmp_path / "kept.parquet")
    broken = [
        pictures({**job, "parts": [{**part, "rows": [n], "times_s": [0.0]}]}, frames(source="key")) for n in (0, 1)
    ]
    assert [row["error"] for (row,) in broken] == ["corrupt", "missing"]


def test_the_end_of_a_video_is_found_where_its_file_does_not_declare_one(films: Films) -> None:
    def end_s(path: Path) -> float:
        return float(cast(Any, find_end({"path": str(path)}, LIMITS)["rows"])[0]["end_s"])

    assert end_s(films("closed.mp4", *TRUSTED["closed.mp4"])) == pytest.approx(FRAMES / FPS, abs=0.05)
    assert end_s(films("timeless.h264", *GOP, "-bf", "0", "-an")) == pytest.approx(FRAMES / FPS, abs=0.1)
    with pytest.raises(ItemError, match="missing"):
        find_end({"path": "/none/gone.mp4"}, LIMITS)


def test_threads_of_a_worker_read_one_file_at_the_same_time(films: Films) -> None:
    film = films("closed.mp4", *TRUSTED["closed.mp4"])
    starts = [n % 20 / 5 for n in range(200)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda start_s: taken(film, frames(most=2), (start_s, start_s + 2))[0], starts))
    alone = [
        numbers_in(taken(film, frames(most=2, reader="pyav"), (start_s, start_s + 2))[0]) for start_s in starts[:20]
    ]
    assert [numbers_in(row) for row in found] == alone * 10
