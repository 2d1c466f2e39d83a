"""Verdicts over rows: the same in any order, in one go or little by little, by any method."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.hashed import Hashes, config, found, groups_of, hash_table, some_hashes, turned, video_table

from slurm.errors import InputError
from stages.core.dedup.find import find_duplicates

FILMS = {name: some_hashes(40, seed) for seed, name in enumerate("abcd")}
VIDEOS: Mapping[str, Hashes] = {
    **FILMS,
    "a_copy": turned(FILMS["a"], 4),
    "a_part": turned(FILMS["a"][5:20], 3),
    "b_copy": turned(FILMS["b"], 7),
}
GROUPS = {"a": "a", "b": "b", "c": "c", "d": "d", "a_copy": "a", "a_part": "a", "b_copy": "b"}


def lazy(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.LazyFrame]:
    return {name: table.lazy() for name, table in tables.items()}


def test_each_row_is_told_its_group_and_why_it_is_dropped() -> None:
    tables = found(VIDEOS)
    assert groups_of(tables) == GROUPS
    rows = {row["video_id"]: row for row in tables["rows"].iter_rows(named=True)}
    assert [*rows] == [*VIDEOS]  # in the order in which they came
    assert rows["a_part"].items() >= {"duplicate_of": "a", "how": "perceptual", "score": 1.0}.items()
    assert rows["a_part"]["drop_reason"] == "duplicate.perceptual"
    assert rows["a"].items() >= {"duplicate_of": None, "how": None, "drop_reason": None, "note": None}.items()


def test_every_pair_is_written_with_the_better_row_first() -> None:
    pairs = found(VIDEOS)["pairs"]
    told = {(a, b): offset_s for a, b, offset_s in pairs.select("a", "b", "offset_s").iter_rows()}
    assert told == {
        ("a", "a_copy"): 0.0, ("a", "a_part"): 2.5, ("a_copy", "a_part"): 2.5, ("b", "b_copy"): 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_rows_changes_nothing(seed: int) -> None:
    rows = video_table(
        VIDEOS, width_px=pl.Series(np.random.default_rng(seed).permutation([320, 640, 640, 960, 640, 1280, 320]))
    )
    table = hash_table(VIDEOS)
    straight = find_duplicates(rows, ["video_id"], table, config(), {})
    shuffled_rows = rows.sample(fraction=1, shuffle=True, seed=seed)
    shuffled = find_duplicates(
        shuffled_rows, ["video_id"], table.sample(fraction=1, shuffle=True, seed=seed), config(), {}
    )
    assert shuffled["rows"].sort("video_id").equals(straight["rows"].sort("video_id"))
    assert shuffled["rows"]["video_id"].equals(shuffled_rows["video_id"])
    for name in ("pairs", "hashes"):
        assert shuffled[name].equals(straight[name])


def test_what_comes_later_is_compared_with_what_was_kept_and_nothing_else() -> None:
    first = {name: VIDEOS[name] for name in ("a", "b", "a_copy")}
    later = {name: VIDEOS[name] for name in ("c", "d", "a_part", "b_copy")}
    before = found(first)
    assert set(before["hashes"]["id"]) == {"a", "b"}  # those of a_copy are not asked again
    after = found(later, former=lazy(before))
    assert {**groups_of(before), **groups_of(after)} == GROUPS
    assert set(after["hashes"]["id"]) == {"c", "d"}
    assert set(after["pairs"].select("a", "b").iter_rows()) == {("a", "a_part"), ("b", "b_copy")}


def test_a_better_copy_that_comes_later_does_not_replace_what_was_kept() -> None:
    before = found({"a": VIDEOS["a"]})
    rows = video_table({"a_copy": VIDEOS["a_copy"]}, width_px=[1920])
    assert groups_of(found({"a_copy": VIDEOS["a_copy"]}, rows, former=lazy(before))) == {"a_copy": "a"}


def test_rows_like_those_of_another_dataset_are_dropped_for_a_reason_of_their_own(tmp_path: Path) -> None:
    place = tmp_path / "eval.parquet"
    found({"c": turned(VIDEOS["c"], 2)})["hashes"].write_parquet(place)
    tables = found(VIDEOS, against=[str(place)])
    rows = {row["video_id"]: row for row in tables["rows"].iter_rows(named=True)}
    assert (rows["c"]["drop_reason"], rows["c"]["duplicate_of"]) == ("leaked.perceptual", "c")
    assert groups_of(tables) == GROUPS
    assert tables["pairs"].filter("leaked").select("a", "b").rows() == [("c", "c")]
    assert set(tables["hashes"]["id"]) == {"a", "b", "d"}


def test_a_video_of_dark_pictures_is_kept_with_a_note() -> None:
    table = pl.concat([hash_table(VIDEOS), hash_table({"dark": VIDEOS["a"], "black": VIDEOS["a"]}, contrast=0.01)])
    rows = video_table({**VIDEOS, "dark": VIDEOS["a"], "black": VIDEOS["a"], "none": VIDEOS["a"]})
    judged = find_duplicates(rows, ["video_id"], table, config(), {})["rows"]
    noted = judged.filter(pl.col("note").is_not_null())
    assert noted["video_id"].to_list() == ["dark", "black", "none"]
    assert noted["note"].unique().to_list() == ["no picture that tells anything"]
    assert noted["drop_reason"].null_count() == 3


def test_the_same_file_is_the_same_whatever_it_shows() -> None:
    rows = video_table(VIDEOS, sha256=["x", "y", "x", None, None, "z", "w"])
    judged = found(VIDEOS, rows, methods=["exact"])["rows"]
    assert dict(judged.filter(pl.col("how") == "exact").select("video_id", "duplicate_of").iter_rows()) == {"c": "a"}
    assert judged.filter(pl.col("note") == "no sha256")["video_id"].to_list() == ["d", "a_copy"]


def test_clips_are_the_same_if_file_and_span_are() -> None:
    spans = [("v", 0.0, 4.0), ("v", 4.0, 8.0), ("w", 0.0, 4.0), ("w", 4.0, 9.0)]
    clips = pl.DataFrame(
        [(f"{video}_{n}", video, start, end, "same") for n, (video, start, end) in enumerate(spans)],
        schema=["clip_id", "video_id", "start_s", "end_s", "sha256"], orient="row",
    )  # fmt: skip
    table = hash_table({"v": some_hashes(20, 8), "w": some_hashes(20, 9)})
    judged = find_duplicates(clips, ["clip_id", "video_id"], table, config(methods=["exact", "perceptual"]), {})["rows"]
    assert judged["duplicate_of"].to_list() == [None, None, "v_0", None]
    assert judged.columns[:2] == ["clip_id", "video_id"]


def test_a_clip_that_shows_part_of_another_one_is_dropped() -> None:
    film = some_hashes(40, 10)
    clips = pl.DataFrame(
        {
            "clip_id": ["v1", "v2", "w1"],
            "video_id": ["v", "v", "w"],
            "start_s": [0.0, 8.0, 1.0],
            "end_s": [8.0, 20.0, 5.0],
        }
    )
    table = hash_table({"v": film, "w": np.concatenate([some_hashes(2, 11), turned(film[4:], 5)])})
    judged = find_duplicates(clips, ["clip_id", "video_id"], table, config(), {})["rows"]
    assert judged["duplicate_of"].to_list() == [None, None, "v1"]


def embedded(vectors: Mapping[str, list[list[float]]], model: str = "embed m@1") -> pl.DataFrame:
    rows = video_table(dict.fromkeys(vectors, some_hashes(4, 0)))
    lists = pl.Series([*vectors.values()], dtype=pl.List(pl.List(pl.Float16)))
    models = pl.Series(
        [[["aesthetic x", model]] * len(own) for own in vectors.values()], dtype=pl.List(pl.List(pl.String))
    )
    return rows.with_columns(embedding=lists, models=models)


def semantic(rows: pl.DataFrame, **how: Any) -> dict[str, pl.DataFrame]:
    return find_duplicates(rows, ["video_id"], None, config(methods=["semantic"], **how), how.pop("former", {}))


def test_rows_whose_embeddings_are_alike_are_the_same_and_their_cluster_is_told() -> None:
    rows = embedded({"a": [[1, 0, 0.1], [1, 0, 0.2]], "b": [[0, 1, 0]], "c": [[1, 0, 0.15]], "d": [[0, 0.7, 0.7]]})
    tables = semantic(rows, semantic={"clusters": 2})
    assert groups_of(tables) == {"a": "a", "b": "b", "c": "a", "d": "d"}
    told = {row["video_id"]: row for row in tables["rows"].iter_rows(named=True)}
    assert told["c"]["how"] == "semantic"
    assert told["c"]["score"] > 0.99
    assert told["a"]["cluster"] == told["c"]["cluster"] != told["b"]["cluster"]
    assert (told["a"]["cluster_size"], told["b"]["cluster_size"]) == (2, 2)
    assert 0 <= told["a"]["cluster_distance"] < 0.01 < told["b"]["cluster_distance"]


def test_embeddings_that_are_not_finite_are_left_out_and_their_rows_kept_with_a_note() -> None:
    nan = float("nan")
    rows = embedded({"a": [[1, 0], [nan, 1]], "b": [[nan, nan]], "c": [[0, 0]], "d": [[1, 0.01]]})
    tables = semantic(rows, semantic={"clusters": 1})
    assert groups_of(tables) == {"a": "a", "b": "b", "c": "c", "d": "a"}
    assert tables["rows"]["note"].to_list() == [None, "no usable embedding", "no usable embedding", None]


def test_later_embeddings_are_put_into_the_clusters_of_before() -> None:
    before = semantic(embedded({"a": [[1, 0, 0]], "b": [[0, 1, 0]], "c": [[0, 0.1, 1]]}), semantic={"clusters": 3})
    assert len(before["centroids"]) == 3
    rows = embedded({"d": [[0.99, 0, 0.01]], "e": [[-1, 0, 0]]})
    after = find_duplicates(rows, ["video_id"], None, config(methods=["semantic"]), lazy(before))
    assert groups_of(after) == {"d": "a", "e": "e"}
    assert after["centroids"].is_empty()


@pytest.mark.parametrize(
    ("later", "told"),
    [
        (embedded({"d": [[1, 0]]}, "embed n@1"), "rows kept before: embeddings of model embed m@1.* of embed n@1"),
        (embedded({"d": [[1, 0, 0]]}), "rows kept before: embeddings of width 2.* of 3"),
        (embedded({"d": [[1, 0], [1, 0, 0]]}), "embeddings of several widths cannot be compared: 2, 3"),
    ],
)
def test_embeddings_of_another_model_or_width_are_refused(later: pl.DataFrame, told: str) -> None:
    before = semantic(embedded({"a": [[1, 0]]}))
    with pytest.raises(InputError, match=told):
        find_duplicates(later, ["video_id"], None, config(methods=["semantic"]), lazy(before))


def test_no_rows_give_no_rows() -> None:
    tables = found({"a": VIDEOS["a"]}, video_table({"a": VIDEOS["a"]}).clear(), methods=["perceptual"])
    assert {name: len(table) for name, table in tables.items()} == dict.fromkeys(tables, 0)


def test_clips_of_one_video_are_compared_with_each_other_if_that_is_asked() -> None:
    still = np.repeat(some_hashes(1, 12), 40)
    clips = pl.DataFrame(
        {
            "clip_id": ["v1", "v2", "w1"],
            "video_id": ["v", "v", "w"],
            "start_s": [0.0, 10.0, 0.0],
            "end_s": [10.0, 20.0, 10.0],
        }
    )
    table = hash_table({"v": still, "w": turned(still, 3)})
    for within, groups in ((False, ["v1", "v2", "v1"]), (True, ["v1", "v1", "v1"])):
        judged = find_duplicates(clips, ["clip_id", "video_id"], table, config(within_video=within), {})["rows"]
        assert judged["group"].to_list() == groups
