"""What is accepted of answers, and what is said of those that are not."""

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from slurm.pool.wire import Reply
from stages.core.text.verdict import RejectedError, check_text, find_loop, read_model, read_phrases, whole

REFUSALS = read_phrases(Path(__file__).parents[3] / "conf" / "prompt" / "refusals.txt")
CAPTION = "A man in a red coat rides a bicycle along a river while the camera pans left with him."


class Mood(BaseModel):
    mood: str
    score: float = Field(ge=0, le=1)


def answered(text: str, finish: str = "end") -> Reply:
    return Reply(text, finish, None, 9, None)


def code(text: str, language: str | None = "en") -> str | None:
    try:
        check_text(text, language, REFUSALS)
    except RejectedError as rejected:
        return rejected.code
    return None


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (answered("  \n"), "empty"),
        (answered("A man", "length"), "truncated"),
        (answered("", "length"), "truncated"),
        (answered("", "refused"), "refused"),
    ],
)
def test_an_answer_that_did_not_come_to_its_end_is_none(reply: Reply, found: str) -> None:
    with pytest.raises(RejectedError) as rejected:
        whole(reply)
    assert rejected.value.code == found


@pytest.mark.parametrize(
    ("text", "found", "why"),
    [
        ("calm", "invalid_json", "Expecting value"),
        ('{"mood": "calm", "score": 0.5', "invalid_json", "delimiter"),
        ('{"mood": "calm", "score": NaN}', "invalid_json", "NaN"),
        pytest.param("[" * 100_000, "invalid_json", "it is no JSON", id="nested deep"),
        ('{"mood": "calm", "score": 1.5}', "schema", "score: Input should be less than or equal to 1"),
        ('{"mood": 3}', "schema", "mood: Input should be a valid string, and 1 more"),
        ("[]", "schema", "the answer: "),
    ],
)
def test_an_answer_of_another_form_is_told_where_it_differs(text: str, found: str, why: str) -> None:
    with pytest.raises(RejectedError, match=why) as rejected:
        read_model(answered(text), Mood)
    assert rejected.value.code == found


@pytest.mark.parametrize("text", ['{"mood": "calm", "score": 1}', '```json\n{"mood": "calm", "score": 1}\n```\n'])
def test_json_is_read_with_and_without_a_fence(text: str) -> None:
    assert read_model(answered(text), Mood) == Mood(mood="calm", score=1.0)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m unable to describe this video.",
        "**I cannot** identify people in pictures.",
        "As an AI language model, I have no eyes.",
        "Lo siento, no puedo describirlo.",
    ],
)
def test_a_refusal_is_known_by_its_beginning(text: str) -> None:
    assert code(text, None) == "refused"


@pytest.mark.parametrize(
    "text",
    [
        CAPTION,
        "A woman says she is sorry, and that she cannot come.",
        "Sorry signs hang in every window of the street.",
        "Unable to stop, the car slides over the ice.",
        "No, no, no, a child says, and laughs.",
        "Close-up of pasta carbonara, guanciale, pecorino.",
        "BMW M3 GTR, Need for Speed, 1080p60, HUD on.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        "",
    ],
)
def test_what_only_looks_like_a_fault_is_accepted(text: str) -> None:
    assert code(text) is None


def test_a_phrase_again_and_again_is_a_loop_whatever_its_length_and_script() -> None:
    assert find_loop("The man walks. " + "and the and the " * 8) is not None
    assert find_loop(CAPTION + " the" * 12) == "the"
    assert find_loop(" ".join([CAPTION] * 4)) is not None
    assert find_loop("一个男人在骑自行车" * 6) is not None
    assert find_loop("\n".join(f"{n}. The man walks on. " for n in range(5))) == "the man walks on"
    assert find_loop(" ".join([CAPTION] * 3)) is None, "three times may be a chorus"


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Ein Hund läuft am Strand entlang, und die Kamera folgt ihm.", "en", "wrong_language"),
        ("Un hombre camina por la calle.", "en", "wrong_language"),
        ("一个男人在骑自行车", "en", "wrong_language"),
        (CAPTION, "de", "wrong_language"),
        ("一个男人在骑自行车", "zh", None),
        ("Un hombre camina por la calle.", None, None),
        ("Hund", "en", None),
        (CAPTION, "xx", None),
    ],
)
def test_another_language_is_told_where_it_is_sure(text: str, language: str | None, found: str | None) -> None:
    assert code(text, language) == found


def test_the_model_is_told_what_was_wrong_and_shown_no_more_than_a_page() -> None:
    rejected = RejectedError("repetition", "it repeats itself")
    shown, told = rejected.conversation(answered("the " * 10_000))
    assert len(shown) == 1500
    assert told == "This was not accepted: it repeats itself. Answer again."
    assert rejected.item_error(answered("the the")).detail == "it repeats itself: 'the the'"
