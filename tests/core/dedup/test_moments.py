"""The moments of videos and of clips: those in a clip's span, without pictures that tell nothing."""

import numpy as np
import polars as pl
from support.hashed import hash_table, some_hashes

from stages.core.dedup.moments import is_new, order_moments, take_moments

VIDEOS = {"a": some_hashes(20, 1), "b": some_hashes(8, 2)}


def test_a_video_has_all_its_moments() -> None:
    taken = take_moments(pl.DataFrame({"id": ["b", "a"], "video_id": ["b", "a"]}), hash_table(VIDEOS), 0.03)
    assert taken.filter(pl.col("id") == "a")["hash"].to_list() == VIDEOS["a"].tolist()
    assert len(taken) == 28


def test_a_clip_has_the_moments_in_its_span_counted_from_its_start() -> None:
    clips = pl.DataFrame(
        {"id": ["x", "y", "z"], "video_id": ["a", "a", "b"], "start_s": [1.0, 1.5, 9.0], "end_s": [3.0, 20.0, 12.0]}
    )
    taken = take_moments(clips, hash_table(VIDEOS), 0.03)
    of = {key: own for (key,), own in taken.group_by("id", maintain_order=True)}
    assert of["x"]["time_s"].to_list() == [0.0, 0.5, 1.0, 1.5]
    assert of["x"]["hash"].to_list() == VIDEOS["a"][2:6].tolist()
    assert of["y"]["hash"].to_list() == VIDEOS["a"][3:].tolist()  # clips may overlap
    assert "z" not in of  # it lies behind the end


def test_moments_of_dark_and_plain_pictures_are_left_out() -> None:
    table = pl.concat([hash_table({"a": VIDEOS["a"]}), hash_table({"b": VIDEOS["b"]}, contrast=0.01)])
    taken = take_moments(pl.DataFrame({"id": ["a", "b"], "video_id": ["a", "b"]}), table, 0.03)
    assert taken["id"].unique().to_list() == ["a"]


def test_rows_are_numbered_through_and_the_same_id_in_two_parts_is_two_rows() -> None:
    taken = take_moments(pl.DataFrame({"id": ["a", "b"], "video_id": ["a", "b"]}), hash_table(VIDEOS), 0.03)
    parts = [
        (pl.DataFrame({"id": ["b"], "row": [0]}), taken),
        (pl.DataFrame({"id": ["a", "c", "b"], "row": [1, 2, 3]}), taken),
    ]
    moments = order_moments(parts)
    assert moments.counts.tolist() == [8, 20, 0, 8]
    assert np.array_equal(moments.hash[:8], moments.hash[-8:])


def test_of_a_picture_that_stands_still_one_moment_seeds() -> None:
    still = np.repeat(some_hashes(2, 3), 5)
    taken = take_moments(pl.DataFrame({"id": ["a"], "video_id": ["a"]}), hash_table({"a": still}), 0.03)
    moments = order_moments([(pl.DataFrame({"id": ["a"], "row": [0]}), taken)])
    assert np.flatnonzero(is_new(moments)).tolist() == [0, 5]
