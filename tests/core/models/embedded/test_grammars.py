"""Answers that must match a list, a regex or a schema: with random weights, every one of them does."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from math import exp
from typing import Any

import pytest
from support.embedded import Engine
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stages.core.models.embedded import untrained
from stages.core.models.embedded.api import Grammar
from stages.core.models.embedded.grammar import Grammars, list_choices
from stages.core.models.embedded.vocabulary import Vocabulary

LABELS = [
    "music",
    "music video",
    "música",
    "science & technology",
    "C++ (tutorial)",
    "日本料理",
    "a|b",
    "news\nreport",
    *(f"category {number}" for number in range(120)),
]
MOOD = {"type": "object", "properties": {"mood": {"enum": ["calm", 'te"nse', "fröhlich"]}}, "required": ["mood"]}
SCENE = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 12},
        "seconds": {"type": "integer", "minimum": 0, "maximum": 999},
        "who": {"type": "array", "items": {"enum": ["man", "woman"]}, "minItems": 1, "maxItems": 2},
        "mood": {"type": "object", "properties": {"start": {"enum": ["calm", "tense"]}}, "required": ["start"]},
    },
    "required": ["title", "seconds", "who", "mood"],
}


def regex(labels: list[str]) -> dict[str, str]:
    return {"type": "regex", "value": "(" + "|".join(map(re.escape, labels)) + ")"}


def probability(body: Any) -> float:
    return exp(sum(token["logprob"] for token in body["details"]["tokens"]))


def test_every_answer_is_one_of_the_list(engine: Engine) -> None:
    answers = engine.together(32, grammar=regex(LABELS), max_new_tokens=40, do_sample=True, temperature=3.0)
    texts = [answer.body["generated_text"] for answer in answers]
    assert {answer.body["details"]["finish_reason"] for answer in answers} == {"eos_token"}
    assert set(texts) <= set(LABELS)
    assert len(set(texts)) > 3


@pytest.mark.parametrize("label", LABELS[:8])
def test_any_label_can_be_written(engine: Engine, label: str) -> None:
    assert engine.generate("Which?", grammar=regex([label]), max_new_tokens=40).body["generated_text"] == label


def test_a_label_may_end_where_another_goes_on(engine: Engine) -> None:
    sampled = {"grammar": regex(["music", "music video"]), "do_sample": True, "temperature": 5.0}
    texts = {answer.body["generated_text"] for answer in engine.together(24, **sampled)}
    assert texts == {"music", "music video"}


def test_the_logprobs_of_an_answer_are_the_probability_of_its_label(engine: Engine) -> None:
    labels = ["calm", "calmer", "tense", "música"]
    ask = {"grammar": regex(labels), "do_sample": True}
    seen = [engine.generate("How?", seed=seed, **ask).body for seed in range(60)]
    chances = {body["generated_text"]: probability(body) for body in seen}
    assert chances.keys() <= set(labels)
    assert sum(chances.values()) == pytest.approx(1, abs=0.15)  # a rare label may not have come up
    only = engine.generate("How?", grammar=regex(["calm"])).body
    assert probability(only) == pytest.approx(1)


def test_an_answer_that_has_no_room_says_so(engine: Engine) -> None:
    body = engine.generate("Which?", grammar=regex(["science & technology"]), max_new_tokens=2).body
    assert body["details"]["finish_reason"] == "length"
    assert "science & technology".startswith(body["generated_text"])


def test_a_schema_of_one_enum_gives_one_of_its_values(engine: Engine) -> None:
    grammar = {"type": "json", "value": MOOD}
    for answer in engine.together(8, grammar=grammar, do_sample=True, max_new_tokens=40):
        assert json.loads(answer.body["generated_text"])["mood"] in ["calm", 'te"nse', "fröhlich"]


@pytest.mark.parametrize("kind", ["json", "json_object", "json_schema", "text"])
def test_a_schema_is_kept_in_whichever_way_it_is_given(engine: Engine, kind: str) -> None:
    grammar = {
        "json_schema": {"type": "json_schema", "value": {"name": "scene", "schema": SCENE}},
        "text": {"type": "json", "value": json.dumps(SCENE)},
    }.get(kind, {"type": kind, "value": SCENE})
    for answer in engine.together(8, grammar=grammar, do_sample=True, max_new_tokens=200):
        scene = json.loads(answer.body["generated_text"])
        assert list(scene) == ["title", "seconds", "who", "mood"]
        assert len(scene["title"]) <= 12
        assert scene["seconds"] in range(1000)
        assert set(scene["who"]) <= {"man", "woman"}
        assert scene["mood"]["start"] in ("calm", "tense")


def test_a_regex_that_is_no_list_is_kept(engine: Engine) -> None:
    pattern = r"[0-9]{2}:[0-5][0-9] - (calm|tense)"
    for answer in engine.together(8, grammar={"type": "regex", "value": pattern}, do_sample=True):
        assert re.fullmatch(pattern, answer.body["generated_text"])


def test_rows_with_and_without_grammar_greedy_and_sampled_share_a_batch(engine: Engine) -> None:
    asks: list[dict[str, Any]] = [
        {"grammar": regex(LABELS), "max_new_tokens": 40},
        {"max_new_tokens": 5},
        {"do_sample": True, "seed": 5, "max_new_tokens": 9},
        {"grammar": {"type": "regex", "value": "[ab]{3}"}},
    ]
    alone = [engine.generate("A man", **ask).body["generated_text"] for ask in asks]
    with ThreadPoolExecutor(16) as threads:
        mixed = list(threads.map(lambda ask: engine.generate("A man", **ask).body["generated_text"], asks * 4))
    assert mixed == alone * 4


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("(a|b)", ["a", "b"]),
        ("a|b", ["a", "b"]),
        ("(?:a|b)", ["a", "b"]),
        (r"(music\ video|C\+\+)", ["music video", "C++"]),
        (r"(a\|b|c)", ["a|b", "c"]),
        ("(a|)", ["a", ""]),
        ("(a)|(b)", None),
        ("(a|b", None),
        ("[ab]", None),
        (r"\d|a", None),
        ("a+", None),
        ("(?i:a|b)", None),
        ("((a|b))", None),
        ("(a\\)", None),
    ],
)
def test_only_a_mere_list_is_taken_for_one(pattern: str, found: list[str] | None) -> None:
    assert list_choices(Grammar("regex", pattern)) == found


def test_a_schema_that_asks_for_more_than_one_enum_is_no_list() -> None:
    one = {"properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    assert list_choices(Grammar("schema", json.dumps(one))) == ['{"a": "x"}', '{"a": "y"}']
    for other in (
        {"properties": {"a": {"enum": ["x"]}}},
        {**one, "properties": {**one["properties"], "b": {"type": "string"}}},  # type: ignore[dict-item]
        {"properties": {"a": {"enum": ["x", 1]}}, "required": ["a"]},
        {"properties": {"a": {"type": "string"}}, "required": ["a"]},
        {**one, "minProperties": 1},
    ):
        assert list_choices(Grammar("schema", json.dumps(other))) is None


def test_a_grammar_is_compiled_once() -> None:
    grammars = Grammars(Vocabulary(untrained.tokenizer(), [2], 600))
    assert grammars.compiled(Grammar("regex", "(a|b)")) is grammars.compiled(Grammar("regex", "(a|b)"))


def test_a_tokenizer_that_puts_a_space_before_words_spells_labels_without_it() -> None:
    tokens = ["<unk>", "</s>", "▁", "▁music", "▁video", "music", "a", "▁a", *(f"<0x{byte:02X}>" for byte in range(256))]
    spaced = Tokenizer(models.Unigram([(token, -1.0) for token in tokens], unk_id=0, byte_fallback=True))
    spaced.pre_tokenizer = pre_tokenizers.Metaspace()
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    spaced.decoder = decoders.Sequence(steps)
    made = PreTrainedTokenizerFast(tokenizer_object=spaced, eos_token="</s>", unk_token="<unk>")
    vocabulary = Vocabulary(made, [1], len(tokens))
    for label in ("music", "music video", "é"):
        spelled = vocabulary.spell(label)
        assert b"".join(map(vocabulary.token_bytes, spelled)) == label.encode()
    assert made.convert_ids_to_tokens(vocabulary.spell("music video")) == ["music", "▁video"]


def test_a_label_that_a_model_cannot_write_is_refused() -> None:
    few = Tokenizer(models.BPE({"<unk>": 0, "</s>": 1, "a": 2}, [], unk_token="<unk>"))
    few.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=few, eos_token="</s>", unk_token="<unk>")
    with pytest.raises(ValueError, match="no token"):
        Vocabulary(made, [1], 3).spell("ab")
