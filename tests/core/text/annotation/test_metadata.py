"""An annotation in FineVideo's schema: its keys, and what must hold beyond its shape."""

import json
from copy import deepcopy
from typing import Any

import pytest

from slurm.pool.wire import Reply
from stages.core.text.annotation.check import Stretch, check_chapter, check_content
from stages.core.text.annotation.metadata import Chapter, ContentMetadata, answer_schema
from stages.core.text.verdict import RejectedError, read_model

SPAN = {"start_timestamp": "00:00", "end_timestamp": "00:10"}
GOOD: dict[str, Any] = {
    "title": "A walk",
    "description": "Someone walks.",
    "characterList": [{"characterId": "1", "name": "Ann", "description": "with a hat"}],
    "scenes": [
        {
            "sceneId": number,
            "title": "In the park",
            "timestamps": {"start_timestamp": f"00:{number}0", "end_timestamp": f"00:{number + 1}0"},
            "cast": ["Ann"],
            "activities": [{"description": "walks", "timestamp": SPAN}],
            "props": [{"name": "hat", "timestamp": SPAN}],
            "videoEditingDetails": [{"description": "a cut", "timestamps": SPAN}],
            "mood": {"description": "calm", "keyMoments": [{"timestamp": "00:12", "changeDescription": "rain"}]},
            "narrativeProgression": [{"description": "begins", "timestamp": "00:10"}],
            "characterInteraction": [{"characters": ["Ann"], "description": "alone"}],
            "thematicElements": "nature",
            "contextualRelevance": "none",
            "dynamismScore": 0.4,
            "audioVisualCorrelation": 1,
        }
        for number in (1, 2)
    ],
    "storylines": {"description": "a walk", "scenes": [1, 2], "climax": {"description": "rain", "timestamp": "00:12"}},
    "qAndA": [{"question": "Who?", "answer": "Ann."}] * 5,
    "trimmingSuggestions": [{"description": "shorten", "timestamps": SPAN}],
}


def read(values: dict[str, Any], duration_s: float = 40.0) -> ContentMetadata:
    content = read_model(Reply(json.dumps(values), "end", None, None, None), ContentMetadata)
    check_content(content, Stretch(0.0, duration_s, 25.0))
    return content


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good annotation with another value at a path."""
    values: Any = deepcopy(GOOD)
    *above, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = values
    for part in above:
        place = place[part]
    place[last] = value
    made: dict[str, Any] = values
    return made


def test_a_good_annotation_comes_out_as_it_went_in() -> None:
    assert read(GOOD).model_dump() == GOOD


def test_what_is_written_as_another_type_is_read_and_more_is_left_out() -> None:
    values = changed("characterList.0.characterId", 1) | {"extra": 1}
    assert read(values).model_dump() == GOOD


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("scenes", [], "scenes: List should have at least 1 item"),
        ("scenes.0.dynamismScore", 1.2, "scenes.0.dynamismScore: Input should be less than or equal to 1"),
        ("qAndA", GOOD["qAndA"][:4], "qAndA: List should have at least 5 items"),
        ("scenes.0.timestamp", SPAN, None),
        ("scenes.0.cast", ["Bob"], "scene 1: cast: 'Bob' is not in characterList"),
        ("scenes.1.sceneId", 1, "several have the same sceneId"),
        ("storylines.scenes", [1, 7], "there is no scene 7"),
        ("scenes.1.timestamps.start_timestamp", "00:05", "scene 2: it begins before the scene"),
        ("scenes.0.timestamps.end_timestamp", "00:05", "it ends at 00:05 and begins at 00:10"),
        ("scenes.1.timestamps.end_timestamp", "01:30", "it ends at 01:30, the video at 00:00:40.000"),
        ("scenes.0.timestamps.start_timestamp", "1:75", "are no times: write them as MM:SS"),
    ],
)
def test_what_contradicts_itself_or_the_video_is_told_in_words_for_the_model(
    path: str, value: Any, why: str | None
) -> None:
    if why is None:
        assert read(changed(path, value)).model_dump() == GOOD
        return
    with pytest.raises(RejectedError, match=why) as rejected:
        read(changed(path, value))
    assert rejected.value.code == "schema"


def test_the_schema_of_answers_has_no_references_and_names_every_key() -> None:
    text = json.dumps(answer_schema())
    assert "$ref" not in text
    assert "$defs" not in text
    for key in ("characterList", "videoEditingDetails", "qAndA", "audioVisualCorrelation", "trimmingSuggestions"):
        assert f'"{key}"' in text
    assert set(answer_schema()["required"]) == GOOD.keys()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("scenes.0.activities.0.timestamp.end_timestamp", "soon"),
        ("scenes.0.props.0.timestamp.start_timestamp", "1:75"),
        ("scenes.1.mood.keyMoments.0.timestamp", "-3"),
        ("storylines.climax.timestamp", "later"),
        ("trimmingSuggestions.0.timestamps.start_timestamp", "somewhere"),
    ],
)
def test_an_odd_time_within_a_scene_is_asked_again_and_costs_no_video(path: str, value: str) -> None:
    with pytest.raises(RejectedError, match=r"is no time: write it as MM:SS") as rejected:
        read(changed(path, value))
    assert isinstance(rejected.value.otherwise, ContentMetadata)
    assert read(changed(path, "unknown")), "what is not known is no odd time"


def test_a_part_has_its_own_borders_and_knows_the_characters_of_those_before_it() -> None:
    chapter = Chapter.model_validate(GOOD | {"characterList": []})
    ann = ContentMetadata.model_validate(GOOD).characterList
    check_chapter(chapter, Stretch(10.0, 30.0, 25.0), ann)
    with pytest.raises(RejectedError, match=r"cast: 'Ann' is not in characterList"):
        check_chapter(chapter, Stretch(10.0, 30.0, 25.0), [])
    with pytest.raises(RejectedError, match=r"begins at 00:10, this part of the video begins at 00:00:16"):
        check_chapter(chapter, Stretch(16.0, 30.0, 25.0), ann)
    with pytest.raises(RejectedError, match=r"ends at 00:30, this part of the video at 00:00:20"):
        check_chapter(chapter, Stretch(10.0, 20.0, 25.0), ann)
