"""Scenes meet cuts, what happens in them stays in them, and what cannot be repaired in one way is refused."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.truth.annotations import make_annotation
from slurm.errors import ItemError
from stages.core.text.annotation.align import Aligned, Video, align
from stages.core.text.annotation.inside import Limits
from stages.core.text.annotation.times import read_time

LIMITS = Limits(snap_s=2.0, shift_s=5.0, overlap_s=2.0, contiguous=False)
CONTIGUOUS = Limits(snap_s=2.0, shift_s=5.0, overlap_s=2.0, contiguous=True)


def video(*cuts_s: float, duration_s: float = 100.0, fps: float = 25.0) -> Video:
    return Video(duration_s, fps, list(cuts_s), list(cuts_s))


def scene(start: Any, end: Any, **more: Any) -> dict[str, Any]:
    return {"sceneId": 1, "timestamps": {"start_timestamp": start, "end_timestamp": end}, **more}


def aligned(*scenes: dict[str, Any], cuts_s: tuple[float, ...] = (), limits: Limits = LIMITS, **more: Any) -> Aligned:
    return align({"scenes": list(scenes), **more}, video(*cuts_s), limits)


def seconds(text: object) -> float:
    found = read_time(text, is_end=False, first_s=0.0, last_s=0.0, fps=25.0)
    assert found is not None
    return found


def span(timestamps: Mapping[str, Any]) -> tuple[float, float]:
    return seconds(timestamps["start_timestamp"]), seconds(timestamps["end_timestamp"])


def spans(found: Aligned) -> list[tuple[float, float]]:
    return [span(scene["timestamps"]) for scene in found.metadata["scenes"]]


def inner(scene: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    """All times within a scene."""
    for name, key in (("activities", "timestamp"), ("props", "timestamp"), ("videoEditingDetails", "timestamps")):
        yield from (span(item[key]) for item in scene.get(name, []))
    for item in (*scene["mood"].get("keyMoments", []), *scene.get("narrativeProgression", [])):
        yield (seconds(item["timestamp"]),) * 2


@pytest.mark.parametrize("long", [False, True])
def test_made_annotations_meet_their_cuts_to_the_frame_and_nothing_else_moves(long: bool) -> None:
    for seed in range(200):
        made = make_annotation(seed, items=3, long=long)
        scenes = {scene["sceneId"]: scene for scene in align(made.metadata, made.video, LIMITS).metadata["scenes"]}
        for number, (truth, cuts) in enumerate(zip(made.borders_s, made.on_cut, strict=True), 1):
            now = span(scenes[number]["timestamps"])
            for is_s, was_s, on_cut in zip(now, truth, cuts, strict=True):
                assert abs(is_s - was_s) <= (1 / made.video.fps if on_cut else 0.0011), (seed, number)
            for start_s, end_s in inner(scenes[number]):
                assert now[0] <= start_s <= end_s <= now[1], (seed, number)


def test_the_nearest_cut_counts_where_several_are_near() -> None:
    assert spans(aligned(scene("0:10", "0:20"), cuts_s=(9.2, 10.3, 19.1, 21.5))) == [(10.3, 19.1)]


def test_a_border_without_a_cut_within_two_seconds_stays_with_its_fraction() -> None:
    assert spans(aligned(scene("10.25s", "0:00:20,750"), cuts_s=(8.2, 23.0))) == [(10.25, 20.75)]


def test_both_borders_of_a_short_scene_do_not_meet_at_one_cut() -> None:
    assert spans(aligned(scene("10.8s", "12.1s"), cuts_s=(11.0,))) == [(11.0, 12.1)]
    assert spans(aligned(scene("9.5s", "11.2s"), cuts_s=(11.0,))) == [(9.5, 11.0)]
    assert spans(aligned(scene("10.8s", "12.1s"), cuts_s=(11.0, 13.0))) == [(11.0, 13.0)]


def test_at_a_gradual_transition_a_scene_ends_where_it_begins_and_the_next_begins_where_it_ends() -> None:
    gradual = Video(100.0, 25.0, [41.0], [40.0])
    found = align({"scenes": [scene("0:30", "0:40"), scene("0:40", "0:50")]}, gradual, LIMITS)
    assert spans(found) == [(30.0, 40.0), (41.0, 50.0)]


@pytest.mark.parametrize(("border", "ends_s"), [("6.51s", (4.9, 5.9)), ("7.4s", (8.0, 8.0))])
def test_a_border_that_two_scenes_share_goes_to_one_transition(border: str, ends_s: tuple[float, float]) -> None:
    two = Video(100.0, 25.0, [5.9, 8.0], [4.9, 8.0])
    found = align({"scenes": [scene("0:00", border), scene(border, "0:13")]}, two, LIMITS)
    assert spans(found) == [(0.0, ends_s[0]), (ends_s[1], 13.0)]


def test_scenes_in_another_order_are_sorted_and_keep_their_numbers() -> None:
    found = aligned({**scene("0:20", "0:30"), "sceneId": 2}, scene("0:10", "0:20"))
    assert [scene["sceneId"] for scene in found.metadata["scenes"]] == [1, 2]
    assert (found.quality, found.notes["reordered"]) == ("mended", 1)


def test_a_missing_border_is_that_of_the_neighbour() -> None:
    found = aligned(scene("start", None), scene("0:20", "unknown"), scene("0:40", "end"))
    assert spans(found) == [(0.0, 20.0), (20.0, 40.0), (40.0, 100.0)]
    assert found.notes["filled"] == 2


def test_one_range_may_stand_for_both_borders() -> None:
    assert spans(aligned({"sceneId": 1, "timestamps": "0:10-0:20"})) == [(10.0, 20.0)]


def test_scenes_that_overlap_a_little_are_parted_at_the_cut_or_where_the_next_begins() -> None:
    assert spans(aligned(scene("0:10", "0:21"), scene("0:20", "0:30"))) == [(10.0, 20.0), (20.0, 30.0)]
    on_cut = aligned(scene("0:10", "0:24"), scene("0:20.5", "0:30"), cuts_s=(24.2,))
    assert spans(on_cut) == [(10.0, 24.2), (24.2, 30.0)], "more than a little, and one of both is on a cut"


def test_a_gap_is_a_gap_unless_scenes_shall_be_contiguous() -> None:
    scenes = scene("0:10", "0:20"), scene("0:21.5", "0:30")
    assert spans(aligned(*scenes)) == [(10.0, 20.0), (21.5, 30.0)]
    assert spans(aligned(*scenes, limits=CONTIGUOUS)) == [(10.0, 21.5), (21.5, 30.0)]


@pytest.mark.parametrize(
    ("scenes", "limits", "code"),
    [
        ([], LIMITS, "scene_times"),
        ([scene("whenever", "later"), scene("soon", "then")], LIMITS, "scene_times"),
        ([scene("0:10", "0:10")] * 2, LIMITS, "scene_times"),
        ([scene("0:10", "0:30"), scene("0:20", "0:40")], LIMITS, "scene_overlap"),
        ([scene("0:10", "0:40"), scene("0:20", "0:30")], LIMITS, "scene_overlap"),
        ([scene("0:10", "0:20"), scene("0:30", "0:40")], CONTIGUOUS, "scene_gap"),
        ([scene("0:10", "1:50")], LIMITS, "scene_shift"),
        ([scene("1:41", "1:42")], LIMITS, "scene_shift"),
    ],
)
def test_what_has_no_single_reading_is_refused_with_its_class(
    scenes: list[dict[str, Any]], limits: Limits, code: str
) -> None:
    with pytest.raises(ItemError) as refused:
        aligned(*scenes, limits=limits)
    assert refused.value.code == code


def test_a_scene_that_ends_a_little_after_the_video_ends_with_it() -> None:
    found = aligned(scene("0:10", "1:43"))
    assert spans(found) == [(10.0, 100.0)]
    assert found.notes["clamped"] == 1


def activity(start: Any, end: Any) -> dict[str, Any]:
    return {"description": "it", "timestamp": {"start_timestamp": start, "end_timestamp": end}}


@pytest.mark.parametrize(
    ("start", "end", "now"),
    [
        ("0:12", "0:15", (12.0, 15.0)),
        ("0:10", "0:20", (10.8, 20.0)),  # the scene's own borders, as they were read
        ("throughout the video", "throughout the video", (10.8, 20.0)),
        ("unknown", "0:15", (10.8, 15.0)),
        (None, None, (10.8, 20.0)),
        ("0:05", "0:15", (10.8, 15.0)),
        ("0:15", "0:12", (12.0, 15.0)),
        ("0:21", "0:23", (18.0, 20.0)),  # just beside: moved in, as long as it is
        ("0:40", "0:45", None),
        ("1:75", "0:15", None),
        ("0:12", "-3", None),
    ],
)
def test_what_happens_in_a_scene_is_held_inside_it_or_dropped(
    start: Any, end: Any, now: tuple[float, float] | None
) -> None:
    found = aligned(scene("0:10", "0:20", activities=[activity(start, end), activity("0:12", "0:13")]), cuts_s=(10.8,))
    kept = found.metadata["scenes"][0]["activities"]
    assert [span(item["timestamp"]) for item in kept] == [*([now] if now else []), (12.0, 13.0)]
    assert found.notes["dropped"] == (now is None)
    assert found.quality == "reduced" if now is None else found.quality in ("good", "mended")


def test_climax_and_suggestions_lie_in_the_video_and_all_else_is_kept_as_it_is() -> None:
    suggestions = [{"description": "", "timestamps": {"start_timestamp": "1:35", "end_timestamp": "1:50"}}]
    story = {"description": "d", "scenes": [1], "climax": {"description": "c", "timestamp": "~1:39"}}
    found = aligned(scene("0:10", "0:20"), storylines=story, trimmingSuggestions=suggestions, qAndA=[1], title="t")
    assert span(found.metadata["trimmingSuggestions"][0]["timestamps"]) == (95.0, 100.0)
    assert found.metadata["storylines"] == {**story, "climax": {"description": "c", "timestamp": "00:01:39.000"}}
    assert (found.metadata["qAndA"], found.metadata["title"], found.metadata["fps"]) == ([1], "t", 25.0)


def test_aligned_once_more_nothing_moves() -> None:
    for seed in range(50):
        made = make_annotation(seed)
        once = align(made.metadata, made.video, LIMITS)
        again = align(once.metadata, made.video, LIMITS)
        assert again.metadata == once.metadata, seed


ODD = st.one_of(
    st.none(),
    st.integers(-5, 200),
    st.floats(),
    st.text(max_size=12),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["0:10", "0:20", "1:75", "throughout", "end", "0:20-0:10", "1:39"]),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(borders=st.lists(st.tuples(ODD, ODD), max_size=4), odd=ODD, where=st.tuples(ODD, ODD))
def test_whatever_stands_there_it_is_aligned_or_refused_with_a_class(
    borders: list[tuple[Any, Any]], odd: Any, where: tuple[Any, Any]
) -> None:
    listed = [
        scene(*pair, activities=[activity(*where), odd], props=odd, mood=odd, narrativeProgression=[{"timestamp": odd}])
        for pair in borders
    ]
    try:
        found = aligned(*listed, cuts_s=(12.0, 40.0), trimmingSuggestions=odd, storylines={"climax": odd})
    except ItemError:
        return
    for made in found.metadata["scenes"]:
        start_s, end_s = span(made["timestamps"])
        assert 0 <= start_s < end_s <= 100
        assert all(start_s <= low <= high <= end_s for low, high in (span(a["timestamp"]) for a in made["activities"]))
