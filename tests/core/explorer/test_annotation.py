"""Annotations of any shape are shown as far as they can be read."""

import json

import pytest

from stages.core.explorer.annotation import read_annotation


def test_times_of_scenes_are_seconds() -> None:
    scene = {"title": "a", "timestamps": {"start_timestamp": "00:00:01.500", "end_timestamp": "0:04"}}
    found = read_annotation(json.dumps({"scenes": [scene]}), 10.0)
    assert found is not None
    assert (found["scenes"][0]["start"], found["scenes"][0]["end"]) == (1.5, 4.0)


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", "3", '"x"', "null"])
def test_what_is_none_is_left_out(text: str | None) -> None:
    assert read_annotation(text, 1.0) is None


@pytest.mark.parametrize("odd", [None, 3, "x", [], {}, [None, 3, "x", {}], {"a": [1]}])
def test_odd_parts_are_passed_over(odd: object) -> None:
    keys = ("title", "description", "scenes", "qAndA", "characterList", "storylines", "fps")
    assert read_annotation(json.dumps(dict.fromkeys(keys, odd)), None) is not None
    keys = ("title", "timestamps", "activities", "mood", "cast", "props", "narrativeProgression")
    found = read_annotation(json.dumps({"scenes": [dict.fromkeys(keys, odd)]}), 1.0)
    assert found is not None
    assert len(found["scenes"]) == 1
