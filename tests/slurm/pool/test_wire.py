"""Prompts as each API takes them, and answers as it gives them."""

import base64
from typing import Any

import pytest
from support.tgi_api import Chat, Generate

from slurm.pool.wire import GarbledError, Prompt, Reply, call, reply

SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}


def prompt(**more: Any) -> Prompt:
    return Prompt([("system", "Be brief."), ("user", "Hello")], 8, **more)


PROMPTS = [
    prompt(),
    prompt(text="<user>Hello"),
    prompt(text="<user>Hello", temperature=0.7, seed=3),
    prompt(images=[b"\xff\xd8"]),
    prompt(choices=["a|b", "c (d)"]),
    prompt(text="Hello", schema=SCHEMA),
    prompt(images=[b"\xff\xd8"], rejected=("hm", "Again.")),
    prompt(thinking=False),
]


@pytest.mark.parametrize("route", ["generate", "chat"])
@pytest.mark.parametrize("asked", PROMPTS)
def test_tgi_is_asked_what_its_api_has(asked: Prompt, route: str) -> None:
    made = call(asked, "tgi", route, "m")
    if route == "generate" and asked.text is not None:
        assert made.path == "/generate"
        assert Generate.model_validate(made.body).inputs == asked.text
    else:
        assert made.path == "/v1/chat/completions"
        assert Chat.model_validate(made.body).temperature == asked.temperature


def test_a_choice_is_an_alternation_for_tgi_and_a_schema_for_the_others() -> None:
    asked = prompt(choices=["rock & roll", "c (d)"])
    assert call(asked, "tgi", "chat", "m").body["response_format"] == {
        "type": "regex",
        "value": r"(rock\ \&\ roll|c\ \(d\))",
    }
    form = call(asked, "openai", "chat", "m").body["response_format"]
    assert form["json_schema"]["schema"]["properties"]["choice"]["enum"] == ["rock & roll", "c (d)"]
    written = {"choices": [{"message": {"content": '{"choice": "c (d)"}'}, "finish_reason": "stop"}]}
    assert reply(asked, "openai", "/v1/chat/completions", written).text == "c (d)"


def test_pictures_travel_in_the_last_message() -> None:
    body = call(prompt(images=[b"one", b"two"]), "tgi", "generate", "m").body
    urls = [part["image_url"]["url"] for part in body["messages"][1]["content"][:2]]
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [b"one", b"two"]
    assert body["messages"][1]["content"][2] == {"type": "text", "text": "Hello"}
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_an_answer_that_was_not_accepted_follows_with_the_reason_and_pictures_stay_with_their_question() -> None:
    messages = call(prompt(images=[b"one"], rejected=("hm", "Too short.")), "openai", "chat", "m").body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in messages[1]["content"]] == ["image_url", "text"]
    assert [message["content"] for message in messages[2:]] == ["hm", "Too short."]


def test_only_servers_that_know_of_thinking_are_told_about_it() -> None:
    assert call(prompt(thinking=False), "openai", "chat", "m").body["chat_template_kwargs"] == {
        "enable_thinking": False
    }
    assert "chat_template_kwargs" not in call(prompt(), "openai", "chat", "m").body


def chatted(finish: str, **message: Any) -> Reply:
    answer = {"choices": [{"message": {"content": None, **message}, "finish_reason": finish}]}
    return reply(prompt(), "openai", "/v1/chat/completions", answer)


def test_what_a_model_thinks_before_it_answers_is_kept_apart() -> None:
    assert chatted("length", reasoning_content="let me see") == Reply("", "length", None, None, None, "let me see")
    assert chatted("stop", content="Jazz", reasoning="brass…").thoughts == "brass…"
    aloud = chatted("stop", content="<think>\nbrass\n</think>\n\nJazz")
    assert (aloud.text, aloud.thoughts) == ("Jazz", "brass")
    cut = chatted("length", content="<think>\nbrass and")
    assert (cut.text, cut.thoughts, cut.finish) == ("", "brass and", "length")


def test_a_server_can_say_that_the_model_refused() -> None:
    assert chatted("content_filter").finish == "refused"
    assert chatted("stop", refusal="I won't.") == Reply("I won't.", "refused", None, None, None)


def test_answers_say_how_they_ended_and_how_sure_the_model_was() -> None:
    details = {"finish_reason": "length", "generated_tokens": 2, "prefill": [], "tokens": [{"logprob": -1.5}] * 2}
    generated = {"generated_text": "hi", "details": details}
    assert reply(prompt(), "tgi", "/generate", generated) == Reply("hi", "length", None, 2, -3.0)
    said = {"message": {"content": "hi"}, "finish_reason": "stop", "logprobs": None}
    chatted = {"choices": [said], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    assert reply(prompt(), "openai", "/v1/chat/completions", chatted) == Reply("hi", "end", 5, 1, None)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"choices": []},
        {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "tired"}]},
    ],
)
def test_what_is_no_answer_is_told_apart_from_one(answer: object) -> None:
    with pytest.raises(GarbledError):
        reply(prompt(), "openai", "/v1/chat/completions", answer)
