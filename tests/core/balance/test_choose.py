"""How much can be chosen while nothing that was passed over is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.balance.choose import CHOSEN, FULL, KEEP, PASSED, Limits, Supply, most_us, pour, sum_us


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 6), st.floats(0.05, 1), st.booleans())
def test_no_more_is_chosen_than_most_us_says(seed: int, rows: int, channels: int, damping: float, kept: bool) -> None:
    random = np.random.default_rng(seed)
    video = random.integers(0, max(1, rows // 2), rows)
    channel, chance = video % channels, random.random(rows)[video]
    fate = random.choice([FULL, FULL, KEEP, PASSED] if kept else [FULL], rows).astype(np.uint8)
    supply = Supply(np.sort(random.integers(0, 3, rows)), random.integers(1, 99, rows), channel, video, chance, fate)
    choice = pour(supply, Limits(10**9, np.ones(3), np.arange(3), damping, "never"))
    assert sum_us(supply, np.isin(choice.fate, CHOSEN)) <= most_us(supply, damping)


def test_a_channel_with_more_videos_than_can_be_chosen_counts_as_ten_of_its_longest() -> None:
    many = np.arange(50)
    same = np.zeros(50, np.int64)
    supply = Supply(same, np.full(50, 7), same, many, np.full(50, 0.5), np.full(50, FULL, np.uint8))
    assert most_us(supply, 0.1) == 70
    assert most_us(supply, 0.0) > 350


def test_a_damping_of_next_to_nothing_passes_nothing_over() -> None:
    one = np.zeros(1, np.int64)
    supply = Supply(one, one + 7, one, one, np.zeros(1), np.full(1, FULL, np.uint8))
    assert most_us(supply, 2.2e-309) > 7
