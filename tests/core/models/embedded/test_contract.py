"""What it answers has the form that TGI's API gives it, field by field."""

from typing import Any

import pytest
from pydantic import TypeAdapter
from support.embedded import Engine, jpeg
from support.tgi_api import Chatted, Generated, Info, Refusal

SCHEMA = {"type": "object", "properties": {"mood": {"enum": ["calm", "tense"]}}, "required": ["mood"]}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"details": False},
        {"do_sample": True, "seed": 7, "temperature": 0.7, "top_p": 0.9},
        {"grammar": {"type": "regex", "value": "(calm|tense)"}},
        {"grammar": {"type": "json", "value": SCHEMA}, "max_new_tokens": 40},
        {"stop": ["e"], "return_full_text": True},
    ],
    ids=["plain", "brief", "sampled", "choices", "schema", "stop"],
)
def test_a_generated_text(engine: Engine, asked: dict[str, Any]) -> None:
    status, body = engine.generate("A man", **{"max_new_tokens": 12, **asked})
    assert status == 200
    answer = Generated.model_validate(body)
    assert (answer.details is None) == (asked.get("details") is False)


def test_a_list_of_generated_texts(engine: Engine) -> None:
    TypeAdapter(list[Generated]).validate_python(engine.post("/", {"inputs": "A man"}).body)


@pytest.mark.parametrize(
    "asked", [{}, {"logprobs": True}, {"response_format": {"type": "json", "value": SCHEMA}, "max_tokens": 40}]
)
def test_a_chat(engine: Engine, asked: dict[str, Any]) -> None:
    status, body = engine.chat("Hello", **asked)
    assert status == 200
    answer = Chatted.model_validate(body)
    assert (answer.choices[0].logprobs is None) == ("logprobs" not in asked)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_chat_about_a_picture(seeing: Engine) -> None:
    Chatted.model_validate(seeing.chat(jpeg((200, 10, 10)), "What is this?").body)


def test_what_it_tells_of_itself(engine: Engine) -> None:
    Info.model_validate(engine.get("/info").body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"inputs": "a", "parameters": {"max_new_tokens": 10**6}}),
        ("/generate", {"inputs": "a", "parameters": {"temperature": -1}}),
        ("/v1/chat/completions", {"messages": []}),
    ],
)
def test_a_refusal(engine: Engine, path: str, body: dict[str, Any]) -> None:
    status, said = engine.post(path, body)
    assert status == 422
    Refusal.model_validate(said)
