"""What is asked for in one request, and what of an answer is accepted; and what a clip of several parts says."""

import json
from pathlib import Path
from typing import Any

import pytest

from slurm.errors import InputError
from slurm.pool.wire import Reply
from stages.core.schema.text import DEFECTS, SAID
from stages.core.text.caption.form import Form, Judged, number_parts, read_defects, read_lines
from stages.core.text.verdict import RejectedError, read_phrases

CONF = Path(__file__).parents[4] / "conf"
KINDS = read_lines(CONF / "taxonomy" / "kinds.yaml", "kinds")
QUESTIONS = read_defects(CONF / "taxonomy" / "defects.yaml")
JUDGED = Judged("en", read_phrases(CONF / "prompt" / "refusals.txt"))
TEXT = "A man in a red coat walks along a beach while the waves roll in."


def reply(text: str, finish: str = "end") -> Reply:
    return Reply(text, finish, 100, 20, None)


def full(**changes: Any) -> str:
    said = {"short": TEXT, "detailed": TEXT, **dict.fromkeys(DEFECTS, False), "kind": "nature"}
    return json.dumps({**said, **changes})


def test_a_single_text_is_asked_for_as_it_is() -> None:
    form = Form({"motion": 40}, {}, {}, JUDGED)
    assert (form.json, form.schema) == (False, None)
    assert form.read(reply(f" {TEXT}\n")) == {"caption_motion": TEXT}


def test_texts_defects_and_kind_are_one_object_whose_columns_are_in_the_schema() -> None:
    form = Form({"short": 20, "detailed": 60}, QUESTIONS, KINDS, JUDGED)
    assert form.schema is not None
    assert list(form.schema["properties"]) == form.schema["required"] == ["short", "detailed", *DEFECTS, "kind"]
    assert form.schema["properties"]["kind"]["enum"] == list(KINDS)
    said = form.read(reply(full(rotated=True)))
    assert said.keys() <= SAID.keys()
    assert (said["rotated"], said["filtered"], said["kind"], said["caption_short"]) == (True, False, "nature", TEXT)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (full(kind="opera"), "schema"),
        (full(rotated="yes"), "schema"),
        (full(rotated=1), "schema"),
        (full(short=""), "schema"),
        (full(short=" "), "schema"),
        (full(short="A man and his dog run along the beach. " * 3 + "Then they rest beside a fire with some friends, "
              "who sing songs and eat bread while the sun slowly goes down behind the hills."), "schema"),
        (json.dumps({"short": TEXT}), "schema"),
        (full()[:-5], "invalid_json"),
        (full(detailed="I'm sorry, I can't help with that."), "refused"),
        (full(detailed="Ein Mann in einem roten Mantel geht am Strand, und die Wellen rollen."), "wrong_language"),
        (full(detailed="the waves roll in " * 12), "repetition"),
    ],
)  # fmt: skip
def test_what_a_server_lets_through_is_judged_again(text: str, code: str) -> None:
    with pytest.raises(RejectedError) as rejected:
        Form({"short": 20, "detailed": 60}, QUESTIONS, KINDS, JUDGED).read(reply(text))
    assert rejected.value.code == code


def test_an_answer_beyond_the_token_limit_is_truncated() -> None:
    with pytest.raises(RejectedError, match="truncated"):
        Form({"detailed": 60}, {}, {}, JUDGED).read(reply(TEXT, "length"))


def test_the_parts_of_a_clip_are_numbered_and_a_defect_of_one_is_one_of_the_clip() -> None:
    form = Form({"short": 20, "detailed": 60}, QUESTIONS, KINDS, JUDGED)
    parts = [
        form.read(reply(full(detailed=f"A man walks along the beach, scene {n}.", kind=kind, rotated=n == 2)))
        for n, kind in enumerate(("city", "nature", "nature"))
    ]
    clip = form.join(parts)
    scenes = [f"Caption {n + 1}: A man walks along the beach, scene {n}." for n in range(3)]
    assert clip["raw_caption"] == clip["caption_detailed"] == " ".join(scenes)
    assert (clip["caption_parts"], clip["rotated"], clip["filtered"], clip["kind"]) == (3, True, False, "nature")
    assert form.join(parts[:1])["raw_caption"] == "A man walks along the beach, scene 0."
    assert number_parts(["a\nb", "c"]) == "Caption 1: a b Caption 2: c"


def test_the_questions_and_kinds_that_the_house_has() -> None:
    assert (len(QUESTIONS), len(DEFECTS)) == (14, 14)
    assert 20 <= len(KINDS) <= 30


@pytest.mark.parametrize(
    ("text", "told"), [("a: [", "kinds.yaml"), ("- a", "lines NAME"), ("a: 1", "lines NAME"), ("", "lines NAME")]
)
def test_a_file_of_names_that_cannot_be_read_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "kinds.yaml").write_text(text)
    with pytest.raises(InputError, match=told):
        read_lines(tmp_path / "kinds.yaml", "kinds")
    with pytest.raises(InputError, match=r"kinds=.* cannot be read"):
        read_lines(tmp_path / "none.yaml", "kinds")
    (tmp_path / "defects.yaml").write_text("rotated: Is it?\nblue: Is it?\n")
    with pytest.raises(InputError, match="'abrupt_camera' is missing, or has no column"):
        read_defects(tmp_path / "defects.yaml")
