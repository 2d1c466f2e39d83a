"""Rows that show the same in the same order are alike, wherever it begins in them."""

import numpy as np
import polars as pl
import pytest
from support.hashed import Hashes, config, hash_table, some_hashes, turned

from stages.core.dedup.align import find_alike
from stages.core.dedup.moments import order_moments, take_moments

FILM, OTHER = some_hashes(60, 1), some_hashes(60, 2)


def alike(*videos: Hashes, first: int = 0, **perceptual: float) -> list[dict[str, object]]:
    """What is alike among videos, which are numbered as they come."""
    named = {str(n): video for n, video in enumerate(videos)}
    ids = pl.DataFrame({"id": [*named], "row": range(len(named))})
    moments = order_moments([(ids, take_moments(ids, hash_table(named), 0.0))])
    return find_alike(moments, first, config(perceptual=perceptual).perceptual).to_dicts()


@pytest.mark.parametrize("bits", [0, 4, 8])
def test_a_film_encoded_anew_is_alike(bits: int) -> None:
    (pair,) = alike(FILM, OTHER, turned(FILM, bits))
    assert (pair["later"], pair["earlier"], pair["score"], pair["offset_s"]) == (2, 0, 1.0, 0.0)


@pytest.mark.parametrize("part", [slice(20, 40), slice(0, 12), slice(50, 60)])
def test_a_part_of_a_film_is_alike_and_it_is_said_where_it_begins(part: slice) -> None:
    (pair,) = alike(FILM, turned(FILM[part], 5))
    assert pair["score"] == 1.0
    assert pair["offset_s"] == pytest.approx(part.start / 2)
    (pair,) = alike(FILM[part], FILM)
    assert pair["offset_s"] == pytest.approx(-part.start / 2)
    assert pair["covered"] == pytest.approx((part.stop - part.start) / 60)


def test_a_shared_intro_does_not_join_two_films() -> None:
    intro = some_hashes(20, 3)
    one, other = np.concatenate([intro, FILM[:40]]), np.concatenate([intro, OTHER[:40]])
    assert alike(one, other) == []
    assert alike(one, other, share=0.3)[0]["score"] == pytest.approx(1 / 3)


def test_the_same_pictures_in_another_order_are_not_alike() -> None:
    assert alike(FILM, FILM[np.random.default_rng(4).permutation(60)]) == []


def test_the_ends_of_both_may_be_trimmed() -> None:
    (pair,) = alike(FILM[:50], FILM[10:])
    assert (pair["score"], pair["offset_s"]) == (0.8, 5.0)


def test_films_that_stand_still_are_alike_if_their_pictures_are() -> None:
    still, moved = np.repeat(FILM[:1], 20), np.repeat(OTHER[:1], 20)
    assert [(pair["later"], pair["earlier"]) for pair in alike(still, moved, turned(still[:7], 4))] == [(2, 0)]


def test_rows_without_moments_are_like_nothing() -> None:
    assert alike(FILM, FILM[:0], OTHER[:0]) == []
    assert alike(FILM[:0]) == []


def test_only_rows_from_the_first_new_one_on_are_compared() -> None:
    found = alike(FILM, FILM, OTHER, FILM, first=2)
    assert {(pair["later"], pair["earlier"]) for pair in found} == {(3, 0), (3, 1)}


def test_a_series_of_many_films_with_one_long_intro_stays_apart() -> None:
    intro = some_hashes(25, 5)
    films = [np.concatenate([intro, some_hashes(35, 100 + n)]) for n in range(200)]
    assert alike(*films) == []


def test_of_rows_that_show_one_picture_that_must_be_more_alike() -> None:
    still = np.repeat(some_hashes(1, 6), 20)
    assert len(alike(still, turned(still, 6, seed=1))) == 1
    assert alike(still, np.repeat(turned(still[:1], 9, seed=1), 20)) == []
    assert len(alike(FILM, turned(FILM, 9))) == 1
