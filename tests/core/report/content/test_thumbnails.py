"""Which clips are shown, with which reason and which picture."""

from collections.abc import Callable

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.content.spread import share_fairly, space_evenly, spread
from stages.core.report.content.thumbnails import choose_thumbnails

Make = Callable[..., Step]
Table = Callable[..., pl.DataFrame]


def analyzed(make: Make) -> None:
    """A video with a key frame every five seconds, whose jpeg is its time as text."""
    times = [5.0 * i for i in range(20)]
    frames = {"video_id": ["v"] * 20, "shot": list(range(20)), "position": ["first"] * 20, "time_s": times}
    pictures = pl.DataFrame({**frames, "jpeg": [b"%d" % time for time in times]})
    known = {"video_id": ["v"], "title": ["<A> title"], "url": ["https://me:secret@videos.example/v.mp4"]}
    make("analyze", pl.DataFrame(known), tables={"key_frames": pictures})


def test_clips_come_with_reason_title_and_a_picture_from_inside(make: Make, clips: Table, verdicts: Table) -> None:
    analyzed(make)
    split = make("split", clips([5.0] * 4), ("analyze",))
    judged = make("filter", verdicts(None, "score.min", "luma.max", None), ("split",))
    cut = make("cut", verdicts(None, None).with_columns(error=pl.Series([None, "encode_failed"])), ("filter",))
    shown = choose_thumbnails([Step(split.run, "analyze"), split, judged, cut], 24)
    assert {t.id: t.reason for t in shown} == {
        **{"c0": None, "c1": "score.min", "c2": "luma.max", "c3": "not in cut"},
    }
    assert {t.title for t in shown} == {"<A> title"}
    (place,) = {t.place for t in shown}
    assert place.endswith("videos.example/v.mp4")
    assert "secret" not in place
    assert all(t.start_s is not None and t.end_s is not None and t.start_s <= t.time_s <= t.end_s for t in shown)


def test_half_of_the_places_are_for_what_was_lost(make: Make, clips: Table, verdicts: Table) -> None:
    analyzed(make)
    make("split", clips([5.0] * 10), ("analyze",))
    last = make("filter", verdicts(*[None] * 6, "a.min", "a.min", "a.min", "b.min"), ("split",))
    assert [t.reason for t in choose_thumbnails([last], 4)] == [None, None, "a.min", "b.min"]
    assert [t.reason for t in choose_thumbnails([last], 24)] == [None] * 6 + ["a.min"] * 3 + ["b.min"]
    assert choose_thumbnails([last], 0) == []


def test_run_without_clips_shows_videos_and_without_pictures_nothing(make: Make, clips: Table) -> None:
    split = make("split", clips([5.0]))
    assert choose_thumbnails([split], 24) == []
    analyzed(make)
    (shown,) = choose_thumbnails([Step(split.run, "analyze")], 24)
    assert (shown.id, shown.reason, shown.start_s) == ("v", None, None)


def test_places_are_shared_fairly_and_spread_evenly() -> None:
    assert share_fairly([100, 3, 1], 8) == [4, 3, 1]
    assert share_fairly([2, 1], 8) == [2, 1]
    assert share_fairly([], 8) == []
    assert space_evenly(100, 4) == [12, 37, 62, 87]
    assert space_evenly(2, 4) == [0, 1]


def test_pictures_are_of_many_sources_and_videos_though_one_has_most_of_the_clips() -> None:
    rows = pl.DataFrame(
        [("a", "long", f"long{n:03d}") for n in range(500)]
        + [("a", f"short{n}", f"short{n}") for n in range(20)]
        + [("b", "other", "other")],
        schema=["source", "video_id", "id"],
        orient="row",
    )
    shown = spread(rows, 12)
    assert len(shown) == 12
    assert shown["video_id"].n_unique() == 12
    assert set(shown["source"]) == {"a", "b"}
    assert spread(rows.filter(pl.col("video_id") == "long"), 3)["id"].to_list() == ["long083", "long250", "long416"]
    assert spread(rows.filter(pl.col("video_id").is_in(["long", "other"])), 4)["id"].to_list() == [
        "long083",
        "long250",
        "long416",
        "other",
    ]
    assert len(spread(rows, 1000)) == len(rows)
    assert spread(rows.head(0), 5).is_empty()
    nowhere = rows.with_columns(source=pl.lit(None, pl.String))
    assert spread(nowhere, 12)["video_id"].n_unique() == 12
