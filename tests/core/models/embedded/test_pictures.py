"""Pictures in a chat, over five families of models, with neither torchvision nor num2words."""

import base64
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from support.embedded import Engine, jpeg, mark

HUGE = BytesIO()
Image.new("1", (8000, 8000)).save(HUGE, "PNG")  # some kilobytes
RED, BLUE = jpeg((220, 20, 20)), jpeg((20, 20, 220), (48, 64))


def content(said: Any) -> str:
    assert said.status == 200, said
    return str(said.body["choices"][0]["message"]["content"])


def test_the_answer_hangs_on_the_pictures(seeing: Engine) -> None:
    told = [content(seeing.chat(*pictures, "What is it?")) for pictures in ([RED], [BLUE], [RED, BLUE], [])]
    assert len(set(told)) == 4


def test_a_prompt_for_generate_may_have_pictures_as_tgi_marks_them(seeing: Engine) -> None:
    said = [seeing.generate(mark("What is ", *pictures, "?"), max_new_tokens=8) for pictures in ([RED], [BLUE], [])]
    assert {answer.status for answer in said} == {200}
    assert len({answer.body["generated_text"] for answer in said}) == 3
    status, body = seeing.generate("![](data:image/jpeg;base64,abc)")
    assert (status, body["error_type"]) == (422, "validation")


def test_it_is_the_same_alone_and_in_a_batch_whatever_the_mates(seeing: Engine) -> None:
    asks: list[list[str | bytes]] = [
        [RED, "What is it?"],
        [RED, BLUE, "What changes?"],
        ["Nothing to be seen."],
        [BLUE, "Describe the scene, the crowd and the lights."],
    ]
    alone = [content(seeing.chat(*ask)) for ask in asks]
    with ThreadPoolExecutor(12) as threads:
        together = list(threads.map(lambda ask: content(seeing.chat(*ask)), asks * 3))
    assert together == alone * 3


def test_grammars_hold_with_pictures(seeing: Engine) -> None:
    form = {"type": "regex", "value": "(calm|tense)"}
    assert content(seeing.chat(RED, "How is it?", response_format=form)) in ("calm", "tense")


def test_pictures_count_among_the_tokens(seeing: Engine) -> None:
    one, two = (seeing.chat(*pictures, "?").body["usage"]["prompt_tokens"] for pictures in ([RED], [RED, RED]))
    assert two > one


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1/a.jpg", "data:"),
        ("file:///etc/passwd", "data:"),
        ("/etc/passwd", "data:"),
        ("data:image/png;base64," + base64.b64encode(HUGE.getvalue()).decode(), "pixels"),
        ("data:image/jpeg;base64,###", "base64"),
        ("data:image/jpeg,abc", "base64"),
        ("data:image/jpeg;base64," + base64.b64encode(b"no picture").decode(), "picture"),
        ("data:image/jpeg;base64," + base64.b64encode(RED[: len(RED) // 2]).decode(), "picture"),
    ],
)
def test_a_bad_picture_is_refused_and_its_neighbours_are_not(seeing: Engine, url: str, word: str) -> None:
    bad = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
    with ThreadPoolExecutor(3) as threads:
        good = [threads.submit(seeing.chat, RED, "What?") for _ in range(2)]
        status, body = threads.submit(seeing.post, "/v1/chat/completions", bad).result()
    assert (status, body["error_type"]) == (422, "validation")
    assert word in body["error"]
    assert len({content(future.result()) for future in good}) == 1


def test_a_mark_for_a_picture_in_the_words_does_no_harm(seeing: Engine) -> None:
    assert seeing.chat(RED, "What is an <image> here?").status in (200, 422)
    assert seeing.chat(RED, "What is it?").status == 200


def test_a_model_that_sees_nothing_refuses_pictures(engine: Engine) -> None:
    for status, body in (engine.chat(RED, "What is it?"), engine.generate(mark(RED))):
        assert (status, body["error_type"]) == (422, "validation")
        assert "accepts no pictures" in body["error"]
