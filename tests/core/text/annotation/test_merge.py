"""Parts become one annotation: each character and scene has one number, and each scene lies in its part."""

from copy import deepcopy
from typing import Any

from stages.core.text.annotation.check import Stretch
from stages.core.text.annotation.merge import Merged
from stages.core.text.annotation.metadata import Chapter, ContentMetadata, Overview

SCENE: dict[str, Any] = {
    "sceneId": 7,
    "title": "In the park",
    "timestamps": {"start_timestamp": "00:00", "end_timestamp": "00:50"},
    "cast": [],
    "activities": [],
    "props": [],
    "videoEditingDetails": [],
    "mood": {"description": "calm", "keyMoments": []},
    "narrativeProgression": [],
    "characterInteraction": [{"characters": ["1", "the crowd"], "description": "alone"}],
    "thematicElements": "nature",
    "contextualRelevance": "none",
    "dynamismScore": 0.4,
    "audioVisualCorrelation": 1,
}


def chapter(names: dict[str, str], cast: list[str], start: str = "00:00", end: str = "00:50") -> Chapter:
    scene = deepcopy(SCENE) | {"cast": cast, "timestamps": {"start_timestamp": start, "end_timestamp": end}}
    characters = [{"characterId": key, "name": name, "description": "x"} for key, name in names.items()]
    return Chapter.model_validate({"characterList": characters, "scenes": [scene]})


def overview(*scenes: int) -> Overview:
    story = {"description": "d", "scenes": scenes, "climax": {"description": "c", "timestamp": "00:10"}}
    qa = [{"question": "q", "answer": "a"}] * 5
    told = {"title": "t", "description": "d", "storylines": story, "qAndA": qa, "trimmingSuggestions": []}
    return Overview.model_validate(told)


def test_who_has_the_same_name_is_the_same_and_who_has_only_the_same_number_is_not() -> None:
    merged = Merged()
    merged.add(chapter({"1": "Ann", "2": "Bob"}, ["1", "Bob"]), Stretch(0.0, 50.0, 25.0))
    merged.add(chapter({"1": "Cid", "5": " ann"}, ["1", "5", "2"], "00:50", "01:40"), Stretch(50.0, 100.0, 25.0))
    told = merged.whole(overview(1, 2))
    characters = [(one["characterId"], one["name"]) for one in told["characterList"]]
    assert characters == [("1", "Ann"), ("2", "Bob"), ("3", "Cid")]
    scenes = [(one["sceneId"], one["cast"]) for one in told["scenes"]]
    assert scenes == [(1, ["Ann", "Bob"]), (2, ["Cid", "Ann", "Bob"])]
    assert told["scenes"][1]["characterInteraction"][0]["characters"] == ["Cid", "the crowd"]


def test_a_scene_that_lies_a_little_outside_its_part_is_held_inside() -> None:
    merged = Merged()
    merged.add(chapter({}, [], "00:00", "00:53"), Stretch(0.0, 50.0, 25.0))
    merged.add(chapter({}, [], "00:48", "01:40"), Stretch(50.0, 100.0, 25.0))
    times = [scene.timestamps for scene in merged.scenes]
    assert [(one.start_timestamp, one.end_timestamp) for one in times] == [
        ("00:00", "00:00:50.000"),
        ("00:00:50.000", "01:40"),
    ]


def test_the_storyline_of_a_single_part_names_scenes_by_their_new_numbers() -> None:
    merged = Merged()
    told = ContentMetadata.model_validate({**overview(7).model_dump(), **chapter({}, []).model_dump()})
    numbers = merged.add(told, Stretch(0.0, 50.0, 25.0))
    assert merged.whole(told, numbers)["storylines"]["scenes"] == [1]
