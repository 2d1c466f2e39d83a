"""What packets and sync frames tell of what stands still: surely so only where nothing slides by either."""

import numpy as np
import pytest

from stages.core.video.read.frames import Image
from stages.core.video.read.sync import Sizes
from stages.core.video.skim.stillness import (
    HEADER_BYTES,
    Shown,
    are_unlike,
    bits_per_block,
    compare,
    measure_stillness,
)

BLOCKS = 3600.0  # of 1280 x 720


def packets(*bits: float, fps: float = 10, gop_s: float = 10.0) -> Sizes:
    """A second of packets with so many bits a block for each number, a sync frame every `gop_s`."""
    each = np.repeat(np.asarray(bits), int(fps)) * BLOCKS / 8 + HEADER_BYTES
    time_s = np.arange(len(each)) / fps
    sync = np.isclose(time_s % gop_s, 0)
    return Sizes(time_s, np.where(sync, 40_000, each).astype(np.int64), sync)


def drawn(seed: int, width_px: int = 256) -> Image:
    """A picture with many corners: rectangles of any size, place and brightness."""
    chance = np.random.default_rng(seed)
    picture = np.full((144, width_px), 128, dtype=np.uint8)
    for _ in range(width_px):
        x, y, w, h = chance.integers((0, 0, 4, 4), (width_px, 144, 40, 40))
        picture[y : y + h, x : x + w] = chance.integers(16, 235)
    return picture


def test_bits_are_those_of_the_second_around_without_sync_frames() -> None:
    found = bits_per_block(packets(0.1, 0.1, 5, 5), BLOCKS)
    assert found[[3, 15, 39]] == pytest.approx([0.1, 0.6, 5], abs=0.3)
    alone = packets(1, 1)._replace(sync=np.ones(20, dtype=bool))
    assert bits_per_block(alone, BLOCKS)[9] == pytest.approx(1), "where each frame is a sync frame, they count"


def test_quiet_packets_between_sync_frames_that_show_the_same_are_surely_still() -> None:
    shown = [Shown(0, same=False), Shown(10, same=True), Shown(20, same=True)]
    still, motion = measure_stillness(packets(*[0.1] * 30), BLOCKS, shown, 30)
    assert still == (1, 1, 1), "what follows the last sync frame is like what was before it"
    assert motion.estimate == 0


def test_quiet_packets_between_sync_frames_that_differ_may_be_a_slow_pan() -> None:
    shown = [Shown(0, same=False), Shown(10, same=False), Shown(20, same=True)]
    still, _ = measure_stillness(packets(*[0.1] * 30), BLOCKS, shown, 30)
    assert (still.estimate, still.most) == (1, 1)
    assert still.least == pytest.approx(2 / 3, abs=0.01)


def test_what_moves_is_not_still_and_short_rests_are_no_freezes() -> None:
    shown = [Shown(0, same=False), Shown(10, same=False)]
    still, motion = measure_stillness(packets(*[30] * 5, 0.1, *[30] * 4, *[0.1] * 10), BLOCKS, shown, 20)
    assert still.estimate == pytest.approx(0.47, abs=0.05)
    assert still.most == pytest.approx(0.5, abs=0.05)
    assert 0.001 < motion.least < motion.estimate < motion.most


def test_the_same_picture_is_the_same_and_another_has_a_cut_before_it() -> None:
    picture, other = drawn(1), drawn(2)
    assert compare(picture, picture + 1, 10, calm=True) == (True, False)
    assert compare(picture, other, 10, calm=True) == (False, True)
    assert compare(picture, other, 10, calm=False) == (False, False)


@pytest.mark.parametrize("shift_px", [1, 4, 40, 100])
def test_a_picture_that_slid_is_neither_the_same_nor_behind_a_cut(shift_px: int) -> None:
    wide = drawn(3, 512)
    assert compare(wide[:, :256], wide[:, shift_px : shift_px + 256], 10, calm=True) == (False, False)


def test_plain_pictures_are_in_doubt() -> None:
    plain, other = (np.full((144, 256), level, dtype=np.uint8) for level in (40, 200))
    assert not are_unlike(plain, other)
    assert compare(plain, other, 10, calm=True) == (False, False)


def test_a_frame_that_is_shown_for_long_is_surely_still() -> None:
    time_s = np.array([0.0, 0.1, 5.0, 5.1])
    sizes = Sizes(time_s, np.full(4, 20_000), np.array([True, False, False, False]))
    still, _ = measure_stillness(sizes, BLOCKS, [Shown(0, same=False)], 5.2)
    assert still.least == still.estimate == pytest.approx(4.9 / 5.2)
