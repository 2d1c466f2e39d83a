"""What is known of an item is said in words, whatever the type of its column."""

from typing import Any

import pytest

from stages.core.text.caption.facts import describe, describe_facts


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("pan_left", "pan_left"),
        (" ", ""),
        (None, ""),
        (0.012345, "0.0123"),
        (float("nan"), ""),
        (3, "3"),
        (True, "yes"),
        ([], ""),
        ([0.1, None, 0.3, float("nan")], "0.2 on average, 0.3 at most"),
        (["go on", None, "go on", "left"], "go on; left"),
        ([[{"text": "EXIT", "corners": [1, 2]}], None, [{"text": "EXIT"}, {"text": "12"}]], "EXIT; 12"),
        ([True, False], "yes; no"),
    ],
)
def test_a_value_in_words(value: Any, words: str) -> None:
    assert describe(value) == words


def test_what_is_not_known_is_left_out_and_what_is_long_is_cut() -> None:
    row: dict[str, Any] = {"camera_move": "static", "subtitles.text": ["word", "other words " * 500], "texts": None}
    facts = describe_facts(row, {"camera": "camera_move", "said": "subtitles.text", "seen": "texts"}, 10)
    assert list(facts) == ["camera", "said"]
    assert facts["said"].startswith("word; other words")
    assert len(facts["said"]) <= 40
