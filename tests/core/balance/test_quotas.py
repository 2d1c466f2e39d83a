"""Water-filling: what one cannot take goes to the others, evenly."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.errors import InputError
from stages.core.balance.quotas import check_names, fill_evenly, weigh


@pytest.mark.parametrize(
    ("target", "weights", "least", "most", "filled"),
    [
        (30.0, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [inf, inf, inf], [10.0, 10.0, 10.0]),
        (30.0, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [4.0, inf, inf], [4.0, 13.0, 13.0]),
        (30.0, [1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [inf, inf, inf], [10.0, 20.0, 0.0]),
        (30.0, [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        (30.0, [1.0, 1.0, 1.0], [18.0, 0.0, 0.0], [inf, inf, inf], [18.0, 6.0, 6.0]),
        (30.0, [1.0, 1.0, 0.0], [40.0, 0.0, 5.0], [inf, inf, inf], [40.0, 0.0, 5.0]),
        (30.0, [], [], [], []),
    ],
)
def test_what_one_cannot_take_goes_to_the_others(
    target: float, weights: list[float], least: list[float], most: list[float], filled: list[float]
) -> None:
    assert fill_evenly(target, weights, least, most) == pytest.approx(filled)


Bounds = st.tuples(st.floats(0, 50), st.floats(0, 100), st.sampled_from([0.0, 0.5, 1.0, 3.0]))


@given(st.floats(1, 500), st.lists(Bounds, min_size=1, max_size=12))
def test_all_stand_at_one_level_and_sum_to_the_target(target: float, rows: list[tuple[float, float, float]]) -> None:
    least, weights = [low for low, _, _ in rows], [weight for _, _, weight in rows]
    most = [low + more for low, more, _ in rows]
    filled = fill_evenly(target, weights, least, most)
    assert all(low - 1e-9 <= of_it <= high + 1e-9 for low, of_it, high in zip(least, filled, most, strict=True))
    reachable = sum(high if weight else low for low, high, weight in zip(least, most, weights, strict=True))
    assert sum(filled) == pytest.approx(min(max(target, sum(least)), reachable), rel=1e-6)
    inside = [
        of_it / weight
        for low, of_it, high, weight in zip(least, filled, most, weights, strict=True)
        if weight and low + 1e-6 < of_it < high - 1e-6
    ]
    assert inside == pytest.approx([inside[0]] * len(inside), rel=1e-6) if inside else True


def test_weights_are_shares_times_hours_to_the_alpha() -> None:
    hours = {"a": 100.0, "b": 25.0, "c": 0.0}
    assert weigh(["a", "b", "c"], hours, {"b": 2.0}, 0.0) == [1.0, 2.0, 1.0]
    assert weigh(["a", "b", "c"], hours, {"b": 2.0}, 0.5) == [10.0, 10.0, 0.0]
    assert weigh(["a", "b", "d"], hours, {"a": 0.0}, 1.0) == [0.0, 25.0, 0.0]


def test_a_share_of_a_category_that_is_none_names_those_that_are_like_it() -> None:
    known = ["Pranks", "Gameplay", "Daily vlogs"]
    check_names(["Pranks"], known, "here")
    with pytest.raises(
        InputError, match=r"shares: there is no category 'game play' in here; did you mean 'Gameplay'\?"
    ):
        check_names(["Pranks", "game play"], known, "here")
    with pytest.raises(InputError, match="there are: Daily vlogs, Gameplay, Pranks"):
        check_names(["Zoology"], known, "here")
