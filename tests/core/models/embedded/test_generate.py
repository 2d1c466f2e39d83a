"""/generate, / and the chat, greedy and sampled, and all that is refused."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from math import exp
from typing import Any

import pytest
from support.embedded import Engine, until

HELLO = {"role": "user", "content": "Hello there"}


def test_an_answer_is_as_long_as_asked_for_and_listed_token_by_token(engine: Engine) -> None:
    status, body = engine.generate("A man in a blue coat", max_new_tokens=6)
    details = body["details"]
    assert (status, details["finish_reason"], details["generated_tokens"]) == (200, "length", 6)
    assert details["prefill"] == []
    assert details["seed"] is None
    assert "".join(token["text"] for token in details["tokens"]) == body["generated_text"]
    assert all(token["logprob"] <= 0 and not token["special"] for token in details["tokens"])


def test_without_details_there_is_the_text_alone_and_at_the_root_it_is_in_a_list(engine: Engine) -> None:
    body = {"inputs": "A man", "parameters": {"max_new_tokens": 4}}
    one, listed = engine.post("/generate", body), engine.post("/", body)
    assert one.body.keys() == {"generated_text"}
    assert listed.body == [one.body]


def test_the_full_text_begins_with_the_prompt(engine: Engine) -> None:
    asked = {"max_new_tokens": 4, "details": False}
    alone = engine.generate("A man", **asked).body["generated_text"]
    assert engine.generate("A man", return_full_text=True, **asked).body["generated_text"] == "A man" + alone


def test_truncation_keeps_the_end_of_the_prompt(engine: Engine) -> None:
    words = {"truncate": 3, "max_new_tokens": 8}
    whole, cut = (
        engine.generate("Cooking tutorial: heat the oil", **more).body for more in ({**words, "truncate": None}, words)
    )
    assert engine.generate("Scene by scene: heat the oil", **words).body == cut != whole


def test_a_stop_sequence_ends_the_answer_and_stays_in_it(engine: Engine) -> None:
    text = engine.generate("A man", max_new_tokens=12).body["generated_text"]
    stop = text[3:6]
    stopped = engine.generate("A man", max_new_tokens=12, stop=[stop]).body
    assert stopped["details"]["finish_reason"] == "stop_sequence"
    assert stop in stopped["generated_text"]
    assert text.startswith(stopped["generated_text"]) and stopped["generated_text"] != text


def test_the_end_token_ends_an_answer_and_is_not_in_its_text(engine: Engine) -> None:
    body = engine.generate("A man", grammar={"type": "regex", "value": "(calm)"}).body
    *words, end = body["details"]["tokens"]
    assert body["generated_text"] == "calm" == "".join(token["text"] for token in words)
    assert (end["text"], end["special"]) == ("<|im_end|>", True)
    assert body["details"]["generated_tokens"] == len(words) + 1


def test_the_same_seed_gives_the_same_words_and_another_seed_others(engine: Engine) -> None:
    def sampled(seed: int | None) -> Any:
        return engine.generate("A man", do_sample=True, seed=seed, max_new_tokens=12).body

    assert sampled(7) == sampled(7)
    assert sampled(7)["details"]["seed"] == 7
    assert sampled(7)["generated_text"] != sampled(8)["generated_text"]
    unseeded = sampled(None)
    assert sampled(unseeded["details"]["seed"]) == unseeded


def test_tokens_are_drawn_as_often_as_their_probability_says(engine: Engine) -> None:
    either = {"type": "regex", "value": "(red|green)"}
    with ThreadPoolExecutor(16) as threads:
        asked = threads.map(lambda seed: engine.generate("A man", do_sample=True, seed=seed, grammar=either), range(64))
    firsts = [said.body["details"]["tokens"][0] for said in asked]
    chances = {token["text"]: exp(token["logprob"]) for token in firsts}
    counted = Counter(token["text"] for token in firsts)
    assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
    assert all(abs(counted[text] / 64 - chance) < 0.2 for text, chance in chances.items())


def test_top_k_of_one_and_a_tiny_top_p_are_greedy(engine: Engine) -> None:
    greedy = engine.generate("A man", max_new_tokens=8).body["generated_text"]
    assert engine.generate("A man", max_new_tokens=8, top_k=1).body["generated_text"] == greedy
    assert engine.generate("A man", max_new_tokens=8, top_p=1e-6).body["generated_text"] == greedy


def test_a_chat_tells_usage_and_logprobs(engine: Engine) -> None:
    status, body = engine.chat("Hello there", logprobs=True, max_tokens=5)
    (choice,) = body["choices"]
    assert (status, choice["finish_reason"], choice["message"]["role"]) == (200, "length", "assistant")
    content = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in content) == choice["message"]["content"]
    usage = body["usage"]
    assert usage["completion_tokens"] == len(content) == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5


def test_a_chat_is_the_template_given_to_generate(engine: Engine) -> None:
    templated = "<|im_start|>user\nHello there<|im_end|>\n<|im_start|>assistant\n"
    chat, generated = engine.chat("Hello there"), engine.generate(templated, max_new_tokens=8)
    assert chat.body["choices"][0]["message"]["content"] == generated.body["generated_text"]
    assert chat.body["choices"][0]["logprobs"] is None


def test_a_chat_without_a_temperature_is_sampled_and_with_none_at_all_greedy(engine: Engine) -> None:
    def content(**more: Any) -> str:
        body = {"messages": [HELLO], "max_tokens": 12, **more}
        return str(engine.post("/v1/chat/completions", body).body["choices"][0]["message"]["content"])

    assert content(temperature=0) == content(temperature=0)
    assert len({content() for _ in range(4)}) > 1
    assert content(seed=3, temperature=None) == content(seed=3)


def test_a_chat_ends_with_stop_where_the_model_ended_it(engine: Engine) -> None:
    form = {"type": "regex", "value": "(calm|tense)"}
    (choice,) = engine.chat("How is it?", response_format=form).body["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] in ("calm", "tense")


def test_it_tells_what_it_is(engine: Engine) -> None:
    info = engine.get("/info").body
    assert info["max_concurrent_requests"] == 128
    assert (info["max_input_tokens"], info["max_total_tokens"]) == (8191, 8192)
    (model,) = engine.get("/v1/models").body["data"]
    assert model["id"] == info["model_id"]
    before = engine.metric("tgi_request_success")
    engine.generate("A man", max_new_tokens=1)
    assert engine.metric("tgi_request_success") == before + 1
    until(lambda: engine.metric("tgi_batch_current_size") == 0)
    assert engine.metric("tgi_queue_size") == 0


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"max_new_tokens": "3"}, "max_new_tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": 0}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"top_n_tokens": 3}, "top_n_tokens"),
        ({"best_of": 2}, "best_of"),
        ({"watermark": True}, "watermark"),
        ({"max_new_tokens": 9000}, "--max-total-tokens"),
        ({"grammar": {"type": "magic", "value": ""}}, "grammar"),
        ({"grammar": {"type": "regex", "value": "(a|b"}}, "unclosed"),
        ({"grammar": {"type": "json", "value": {"type": "object"}}}, "properties"),
        ({"grammar": {"type": "json", "value": "{"}}, "not JSON"),
        ({"grammar": {"type": "json", "value": {"properties": {"a": {"type": "no"}}}}}, "no"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(engine: Engine, parameters: dict[str, Any], word: str) -> None:
    status, body = engine.generate("A man", **parameters)
    assert (status, body["error_type"]) == (422, "validation")
    assert word in body["error"]


@pytest.mark.parametrize("body", [b"{", b"[]", {"inputs": 3}, {}, {"inputs": ""}, {"inputs": "a", "stream": True}])
def test_a_bad_body_is_refused(engine: Engine, body: Any) -> None:
    assert engine.post("/generate", body).status == 422


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"tools": [{"type": "function"}]},
        {"top_logprobs": 3},
        {"messages": []},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "sound"}]}]},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
        {"temperature": -1},
    ],
)
def test_a_bad_chat_is_refused(engine: Engine, more: dict[str, Any]) -> None:
    status, body = engine.post("/v1/chat/completions", {"messages": [HELLO], **more})
    assert (status, body["error_type"]) == (422, "validation")


def test_unknown_fields_are_not_read_as_in_tgi(engine: Engine) -> None:
    body = {"inputs": "A man", "parameters": {"max_new_tokens": 1, "wish": 3}, "more": None}
    assert engine.post("/generate", json.dumps(body).encode()).status == 200


def test_a_prompt_that_is_too_long_is_refused_with_its_length(engine: Engine) -> None:
    status, body = engine.generate("calm " * 10_000)
    assert status == 422
    assert "8191" in body["error"]


def test_an_unknown_place_is_not_found(engine: Engine) -> None:
    assert engine.get("/nowhere").status == 404
    assert engine.get("/generate").status == 405
