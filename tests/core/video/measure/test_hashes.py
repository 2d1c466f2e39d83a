"""Hashes of moments: what changes them little, and when they are taken."""

import numpy as np
import pytest

from stages.core.video.measure.hashes import AFTER_CUT_S, HashMeter, contrast, difference_hash
from stages.core.video.measure.shots import Shot
from stages.core.video.read.frames import Image, Planes, Small


def picture(seed: int, width_px: int = 256, height_px: int = 144) -> Image:
    """Blotches, of the brightness of a usual picture."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(40, 200, (9, 16)), np.ones((height_px // 9, width_px // 16)))
    return np.clip(coarse + rng.normal(scale=3, size=coarse.shape), 16, 235).astype(np.uint8)


def differ(one: Image, other: Image) -> int:
    return (difference_hash(one) ^ difference_hash(other)).bit_count()


@pytest.mark.parametrize("seed", range(5))
def test_brightness_and_size_change_few_bits_and_another_picture_many(seed: int) -> None:
    one = picture(seed)
    assert differ(one, np.clip(one.astype(int) + 22, 16, 235).astype(np.uint8)) <= 3
    assert differ(one, np.repeat(np.repeat(one, 2, 0), 2, 1)) == 0
    assert differ(one, picture(seed + 100)) > 14


def test_a_logo_changes_only_the_parts_that_it_covers() -> None:
    one = picture(1)
    marked = one.copy()
    marked[8:24, 210:246] = 235
    assert differ(one, marked) <= 6


def test_an_even_picture_has_no_bit_set_and_no_contrast_whatever_its_noise() -> None:
    noise = np.random.default_rng(0).normal(30, 3, (144, 256)).astype(np.uint8)
    assert difference_hash(noise) == 0
    assert contrast(noise) < 0.01
    assert contrast(picture(1)) > 0.1


def chosen_s(times_s: list[float], *shots: tuple[int, int], changes: bool = False) -> list[float]:
    """When moments are chosen, of a picture that stands still or is another one in each frame."""
    pictures = [picture(number * changes) for number in range(len(times_s))]
    meter = HashMeter([Shot(start, end, None) for start, end in shots])
    native = Planes(np.empty((0, 0), np.uint8), lambda: (_none(), _none()), 1.0, 8, False, True, (0, False))  # type: ignore[arg-type]
    for number, time_s in enumerate(times_s):
        meter.add(number, time_s, Small(pictures[number], native))
    rows = meter.choose(times_s)
    assert [row["hash"] for row in rows] == [
        difference_hash(pictures[times_s.index(float(str(row["time_s"])))]) for row in rows
    ]
    return [float(str(row["time_s"])) for row in rows]


def _none() -> Image:
    return np.empty((0, 0), np.uint8)


def test_moments_count_from_the_start_of_each_shot() -> None:
    times_s = [n * 0.1 for n in range(30)]
    assert chosen_s(times_s, (0, 12), (12, 30)) == pytest.approx([0.1, 0.6, 1.1, 1.3, 1.8, 2.3, 2.8])
    assert AFTER_CUT_S == 0.1


def test_a_cut_out_has_from_its_first_cut_on_the_moments_of_the_film() -> None:
    times_s = [n / 25 for n in range(100)]
    film = chosen_s(times_s, (0, 40), (40, 100))
    part = chosen_s(times_s[:80], (0, 20), (20, 80))  # the film from frame 20 on
    assert [round(t + 0.8, 6) for t in part if t >= 0.8] == [round(t, 6) for t in film if t >= 1.6]


def test_a_short_shot_has_one_moment_and_a_gap_of_frames_costs_none() -> None:
    assert chosen_s([0.0, 0.04, 0.08, 0.12], (0, 2), (2, 4)) == pytest.approx([0.04, 0.12])  # frames 1 and 3
    assert chosen_s([0.0, 0.1, 3.0], (0, 3)) == [0.1, 3.0]


def test_where_the_picture_changes_quickly_there_are_more_moments() -> None:
    times_s = [n / 50 for n in range(50)]
    assert chosen_s(times_s, (0, 50)) == pytest.approx([0.1, 0.6])
    assert chosen_s(times_s, (0, 50), changes=True) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
