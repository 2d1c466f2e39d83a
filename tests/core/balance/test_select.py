"""Which rows are chosen: hours, shares, channels, caps; whatever the order of the rows."""

from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.choosing import FREE, balanced, catalogue, chosen, hours, target

from stages.core.balance.settings import Caps

Relax = Literal["hours", "quotas", "never"]
PRIVATE = settings(deadline=None, max_examples=30)
Seeds = st.integers(0, 2**32)


@PRIVATE
@given(
    Seeds, st.floats(0.02, 1.5), st.sampled_from(["hours", "quotas"]), st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])
)
def test_the_hours_are_within_one_percent_wherever_there_are_so_many(
    seed: int, share: float, relax: Relax, damping: float, alpha: float
) -> None:
    rows = catalogue(400, seed)
    wanted = share * hours(rows)
    found, _ = balanced(rows, target(wanted, relax=relax, damping=damping, alpha=alpha, seed=seed))
    had, left = hours(chosen(found)), found.filter(pl.col("drop_reason").is_not_null())
    assert had <= 1.01 * wanted + 1e-6
    if had < 0.99 * wanted:  # nothing that is left fits
        assert len(left) == 0 or left["duration_s"].min() / 3600 > 1.01 * wanted - had - 1e-6  # type: ignore[operator]


@PRIVATE
@given(Seeds, st.floats(0.2, 0.95), st.lists(st.sampled_from([0.5, 1.0, 2.5]), min_size=5, max_size=5))
def test_every_category_stands_at_the_same_level_or_has_no_more_to_give(
    seed: int, share: float, shares: list[float]
) -> None:
    rows = catalogue(1500, seed, mean_s=60)
    weights = {f"category {n}": weight for n, weight in enumerate(shares, 1)}
    found, selection = balanced(rows, target(share * hours(rows), shares=weights, relax="quotas", seed=seed))
    longest = rows.select(pl.col("duration_s").max() / 3600).item()
    had = {name: hours(chosen(part)) for (name,), part in found.group_by("category")}
    left = {name: len(part) - len(chosen(part)) for (name,), part in found.group_by("category")}
    levels = [had[name] / weights[str(name)] for name in had if left[name]]
    assert max(levels) - min(levels) <= longest / min(shares)
    for name, quota in selection.categories.select("category", "quota_hours").iter_rows():
        assert abs(quota - had[name]) <= 2 * longest


@PRIVATE
@given(Seeds, Seeds, st.sampled_from(["hours", "quotas", "never"]))
def test_the_order_of_the_rows_does_not_matter_and_the_seed_does(seed: int, other: int, relax: Relax) -> None:
    rows = catalogue(300, seed).with_columns(
        pl.col("views", "likes", "comments", "followers") // 1000
    )  # many are equal
    wanted = target(0.4 * hours(rows), relax=relax, seed=seed)
    first, _ = balanced(rows, wanted)
    again, _ = balanced(rows.sample(fraction=1, shuffle=True, seed=other), wanted)
    assert again.sort("video_id").equals(first.sort("video_id"))
    changed = [balanced(rows, target(0.4 * hours(rows), relax=relax, seed=seed + n))[0] for n in range(1, 4)]
    assert any(not one.equals(first) for one in changed)


@PRIVATE
@given(Seeds, st.integers(1, 4), st.floats(0.05, 1), st.floats(0.05, 2), st.sampled_from(["hours", "quotas", "never"]))
def test_caps_hold_whatever_is_relaxed(seed: int, videos: int, video_h: float, channel_h: float, relax: Relax) -> None:
    rows = catalogue(400, seed)
    found, _ = balanced(rows, target(hours(rows), caps=Caps(videos, channel_h, None, video_h), relax=relax, seed=seed))
    taken = chosen(found)
    per = taken.group_by("channel_id").agg(pl.len(), h=pl.col("duration_s").sum() / 3600)
    assert (per["len"] <= videos).all()
    assert (per["h"] <= channel_h + 1e-6).all()
    assert (taken["duration_s"] / 3600 <= video_h + 1e-6).all()
    left = found.filter(pl.col("drop_reason").is_not_null())
    if relax != "never":
        assert set(left["drop_reason"]) <= {"channel_cap", "video_cap"}
    fits = left.join(per, on="channel_id", how="left").filter(
        pl.col("duration_s") / 3600 <= video_h,
        pl.col("len").fill_null(0) < videos,
        pl.col("h").fill_null(0) + pl.col("duration_s") / 3600 <= channel_h,
        pl.col("drop_reason") != "channel_damped",
    )
    assert len(fits) == 0


@PRIVATE
@given(Seeds, st.floats(0.05, 0.9), st.floats(0.05, 0.9))
def test_what_was_chosen_stays_chosen_and_counts(seed: int, before: float, now: float) -> None:
    rows = catalogue(300, seed)
    former = chosen(balanced(rows, target(before * hours(rows), seed=seed))[0])["video_id"].to_list()
    found, selection = balanced(rows, target(now * hours(rows), seed=seed + 1), kept=former)
    assert set(former) <= set(chosen(found)["video_id"])
    assert set(found.filter(pl.col("chosen_by") == "keep")["video_id"]) == set(former)
    least = hours(rows.filter(pl.col("video_id").is_in(former)))
    assert float(selection.categories["kept_hours"].sum()) == pytest.approx(least)
    if now <= before:
        assert len(chosen(found)) >= len(former)
    assert hours(chosen(found)) <= max(least, 1.01 * now * hours(rows)) + 1e-6


def test_a_kept_row_stays_although_nothing_else_would_let_it() -> None:
    rows = catalogue(200, 0).with_columns(duration_s=pl.when(pl.int_range(pl.len()) > 0).then("duration_s"))
    first = rows["category"][1]
    found, _ = balanced(rows, target(2.0, shares={first: 0.0}), kept=["v000000", "v000001"])
    assert found["chosen_by"][:2].to_list() == ["keep", "keep"]
    others = found.filter(category=first)[1:].filter(pl.col("chosen_by").is_null())
    assert set(others["drop_reason"]) <= {"category_discarded"}
    assert hours(chosen(found)) == pytest.approx(2.0, rel=0.011)


def test_a_channel_gives_ever_fewer_of_its_videos_and_ten_at_most() -> None:
    rows = catalogue(5000, 1, channels=25, mean_s=20)
    found, _ = balanced(rows, target(hours(rows), relax="never"))
    number = chosen(found).group_by("channel_id").len()["len"]
    assert number.max() == 10
    assert set(found["drop_reason"].drop_nulls()) == {"channel_damped"}
    few = rows.group_by("channel_id").head(2)
    taken = chosen(balanced(few, target(hours(few), relax="never"))[0])
    assert taken["channel_id"].n_unique() == few["channel_id"].n_unique()  # the first one always


def test_the_second_video_of_a_channel_is_taken_nine_times_of_ten() -> None:
    rows = catalogue(8000, 2).with_columns(channel_id=pl.format("c{}", pl.int_range(pl.len()) // 2))
    found, _ = balanced(rows, target(hours(rows), relax="never"))
    assert len(chosen(found)) == pytest.approx(4000 + 0.9 * 4000, abs=60)
    found, _ = balanced(rows, target(hours(rows), relax="never", damping=0.5))
    assert len(chosen(found)) == pytest.approx(4000 + 0.5 * 4000, abs=100)


def test_damping_counts_over_all_categories() -> None:
    rows = catalogue(300, 3).with_columns(channel_id=pl.lit("one"))
    found, _ = balanced(rows, target(hours(rows), relax="never"))
    assert len(chosen(found)) <= 10
    assert chosen(found)["category"].n_unique() > 1


def test_damping_is_relaxed_only_where_hours_would_be_missing_each_channel_in_turn() -> None:
    rows = catalogue(2000, 4, channels=10, mean_s=30)
    damped = hours(chosen(balanced(rows, target(hours(rows), relax="never"))[0]))
    enough, _ = balanced(rows, target(0.9 * damped))
    assert "relaxed" not in enough["chosen_by"]
    more, _ = balanced(rows, target(5 * damped))
    assert hours(chosen(more)) == pytest.approx(5 * damped, rel=0.01)
    relaxed = more.filter(pl.col("chosen_by") == "relaxed")
    for _, part in relaxed.group_by("category"):
        left = more.filter(pl.col("category") == part["category"][0], pl.col("drop_reason") == "channel_damped")
        number = dict(part.group_by("channel_id").len().iter_rows())
        most = max(number.values())
        assert all(number.get(channel, 0) >= most - 1 for channel in left["channel_id"].unique())


def test_the_more_active_are_chosen_and_the_smaller_channel_where_both_are_equal() -> None:
    rows = catalogue(4000, 5, categories=1, mean_s=30).with_columns(
        views=pl.int_range(pl.len()) // 2, likes=None, comments=None, followers=pl.int_range(pl.len()) % 2 + 7
    )
    found, _ = balanced(rows.cast({"likes": pl.Int64, "comments": pl.Int64}), target(0.3 * hours(rows), damping=0.0))
    ranked = found.sort("rank")
    assert ranked["views"].is_sorted(descending=True)
    assert ranked["followers"].to_list() == [7, 8] * 2000
    assert ranked["drop_reason"].is_null().to_list() == [True] * (n := len(chosen(found))) + [False] * (4000 - n)


def test_long_videos_are_as_likely_as_short_ones() -> None:
    longer = []
    for seed in range(150):
        rows = catalogue(400, seed, categories=8, channels=10_000)
        taken = chosen(balanced(rows, target(0.25 * hours(rows), damping=0.0))[0])
        for name, part in taken.group_by("category"):
            same = rows.filter(pl.col("category") == name[0])
            if len(part) < len(same):
                longer.append((hours(part), hours(same) * len(part) / len(same)))
    assert sum(got for got, _ in longer) / sum(expected for _, expected in longer) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("bad", [None, float("nan"), 0.0, -5.0, float("inf"), 1e12])
def test_a_row_without_a_duration_is_not_chosen_and_says_so(bad: float | None) -> None:
    rows = catalogue(50, 6).with_columns(
        duration_s=pl.when(pl.int_range(pl.len()) != 7).then("duration_s").otherwise(bad)
    )
    found, _ = balanced(rows, target(100.0))
    assert found.filter(pl.col("drop_reason").is_not_null()).select("video_id", "drop_reason").rows() == [
        ("v000007", "no_duration")
    ]


def test_rows_without_a_category_are_refused_or_pooled() -> None:
    names = ["category 1", None, "  ", "invented", "category 2"] * 20
    rows = catalogue(100, 7).with_columns(category=pl.Series(names))
    found, _ = balanced(rows, target(100.0), known=["category 1", "category 2", "category 3"])
    assert dict(found.group_by("drop_reason").len().iter_rows()) == {
        None: 40, "no_category": 40, "category_unknown": 20
    }  # fmt: skip
    found, selection = balanced(
        rows, target(1.5, damping=0.0), known=["category 1", "category 2", "(other)"], unknown="pool"
    )
    assert set(found["drop_reason"]) == {None, "quota_full"}
    parts = dict(selection.categories.select("category", "share_hours").iter_rows())
    assert parts == pytest.approx({"category 1": 0.5, "category 2": 0.5, "(other)": 0.5})


def test_a_category_that_exists_only_to_be_discarded_gets_nothing() -> None:
    rows = catalogue(300, 8)
    found, selection = balanced(rows, target(hours(rows), shares={"category 1": 0.0}))
    reasons = found.filter(pl.col("category") == "category 1")["drop_reason"].unique().to_list()
    assert reasons == ["category_discarded"]
    own = selection.categories.row(by_predicate=pl.col("category") == "category 1", named=True)
    assert (own["quota_hours"], own["chosen_hours"], own["missing_hours"]) == (0.0, 0.0, 0.0)
    assert own["supply_rows"] == len(rows.filter(pl.col("category") == "category 1"))


def test_a_video_of_an_unknown_channel_is_alone_or_dropped() -> None:
    rows = catalogue(60, 9).with_columns(channel_id=pl.lit(None, pl.String))
    assert set(balanced(rows, target(100.0, relax="never"))[0]["chosen_by"]) == {"no_channel"}
    assert set(balanced(rows, target(100.0), without_channel="drop")[0]["drop_reason"]) == {"no_channel"}


def test_unknown_counts_are_the_median_and_no_counts_leave_it_to_the_hash() -> None:
    rows = catalogue(101, 10, categories=1).with_columns(
        views=pl.when(pl.int_range(pl.len()) > 0).then(pl.int_range(pl.len())), likes=None, comments=float("nan")
    )
    found, _ = balanced(rows.cast({"likes": pl.Int64}), target(100.0, activity={"views": 1.0}))
    assert found["activity"][0] == pytest.approx(0.5, abs=0.02)
    found, _ = balanced(rows.cast({"likes": pl.Int64}), target(0.5 * hours(rows), activity={"comments": 1.0}))
    assert found["activity"].n_unique() == 1


def test_clips_are_chosen_by_their_own_length_and_their_videos_draw_once() -> None:
    videos = catalogue(120, 11, channels=12)
    clips = videos.select(pl.all().repeat_by(10).explode()).with_columns(duration_s=pl.lit(36.0))
    clips = clips.with_columns(clip_id=pl.format("{}_{}", "video_id", pl.int_range(pl.len()) % 10))
    found, _ = balanced(clips, target(100.0, relax="never"))
    per = found.group_by("video_id").agg(pl.col("drop_reason").is_null().sum())["drop_reason"]
    assert set(per) == {0, 10}
    number = chosen(found).group_by("channel_id").agg(pl.col("video_id").n_unique())["video_id"]
    assert 1 < number.max() <= 10  # type: ignore[operator]
    found, _ = balanced(clips, target(100.0, damping=0.0, caps=Caps(None, None, 3, None)))
    assert set(chosen(found).group_by("video_id").len()["len"]) == {3}
    assert set(found["drop_reason"]) == {None, "video_cap"}
    found, _ = balanced(clips, target(100.0, damping=0.0, caps=Caps(None, None, None, 0.04)))
    assert set(chosen(found).group_by("video_id").len()["len"]) == {4}


def test_nothing_at_all_is_no_trouble() -> None:
    found, selection = balanced(catalogue(5, 0).clear(), target(10.0))
    assert found.height == 0
    assert selection.categories["chosen_rows"].sum() == 0
    found, _ = balanced(catalogue(5, 0), target(10.0, caps=FREE), known=["nothing of it"])
    assert set(found["drop_reason"]) == {"category_unknown"}


def test_the_table_of_categories_adds_up() -> None:
    rows = catalogue(500, 12)
    wanted = 0.6 * hours(rows)
    found, selection = balanced(rows, target(wanted))
    table = selection.categories
    assert table["share_hours"].sum() == pytest.approx(wanted)
    assert table["quota_hours"].sum() == pytest.approx(wanted, rel=0.011)
    assert table["chosen_hours"].sum() == pytest.approx(hours(chosen(found)))
    assert table["supply_hours"].sum() == pytest.approx(hours(rows))
    assert (table["chosen_channels"] <= table["supply_channels"]).all()
    assert (table["missing_hours"] <= table["share_hours"]).all()


@pytest.mark.parametrize(("number", "wanted"), [(30, 0.5), (60, 1.0), (100, 3.0)])
def test_where_all_that_is_left_is_too_long_chosen_rows_give_way_to_longer_ones(number: int, wanted: float) -> None:
    for seed in range(40):
        rows = catalogue(number, seed)
        found, _ = balanced(rows, target(wanted, seed=seed))
        assert hours(chosen(found)) == pytest.approx(wanted, rel=0.0101)


def test_a_swap_keeps_to_caps_and_to_what_was_chosen_before() -> None:
    rows = catalogue(4, 0, categories=1).with_columns(
        duration_s=pl.Series([10.0, 20.0, 30.0, 40.0]), channel_id=pl.Series(["a", "b", "b", "c"])
    )
    found, _ = balanced(rows, target(50 / 3600), kept=["v000000"])
    assert chosen(found)["video_id"].to_list() in (["v000000", "v000003"], ["v000000", "v000001"])
    assert "v000000" in chosen(found)["video_id"]
    capped, _ = balanced(rows, target(50 / 3600, caps=Caps(1, None, None, None)))
    assert chosen(capped).group_by("channel_id").len()["len"].max() == 1
