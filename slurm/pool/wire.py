"""Turns prompts into HTTP requests and answers into text: for TGI's API, and OpenAI's as vLLM and SGLang implement it.

Sources: TGI 3.3 (openapi.json), where a chat's response_format is {type, value} and a temperature of null means
sampling; OpenAI's API reference, where a schema stands under json_schema.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

FINISHED = {
    "stop": "end",
    "eos_token": "end",
    "stop_sequence": "end",
    "length": "length",
    "content_filter": "refused",  # OpenAI's
}
THOUGHTS = re.compile(
    r"\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL
)  # before an answer, where no server takes them out
CHOICE = "choice"  # for OpenAI's API, which has no choices: the only property of an object that holds the choice


@dataclass(frozen=True)
class Prompt:
    """A request to a model: messages as (role, text); the pictures (JPEG) belong to the last message.

    `text`: the messages in the model's chat template, for servers that do not apply it. `choices`: the answer is one
    of these. `schema`: the answer is JSON of this schema. `rejected`: an answer to it that was not accepted, and what
    is said of that; both follow the messages. `thinking`: whether a model that may reason first does; None: as it does.
    """

    messages: Sequence[tuple[str, str]]
    max_tokens: int
    images: Sequence[bytes] = ()
    text: str | None = None
    choices: Sequence[str] | None = None
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.0
    seed: int | None = None
    rejected: tuple[str, str] | None = None
    thinking: bool | None = None

    @property
    def turns(self) -> list[tuple[str, str]]:
        """All messages of the chat."""
        answer, complaint = self.rejected or ("", "")
        return [*self.messages, *([("assistant", answer), ("user", complaint)] if self.rejected else [])]

    @property
    def bound(self) -> bool:
        """Whether the answer must follow a grammar, so that a truncated one is useless."""
        return self.choices is not None or self.schema is not None


class Reply(NamedTuple):
    """A model's answer; None where the server does not report a value."""

    text: str  # without what the model thought before it
    finish: str  # "end", "length" if it was truncated, "refused" if the server says that the model refused
    tokens_in: int | None
    tokens_out: int | None  # thoughts included
    logprob: float | None  # natural logarithm, summed over the answer's tokens
    thoughts: str | None = None


class Call(NamedTuple):
    """An HTTP POST request: its path and JSON body."""

    path: str
    body: dict[str, Any]


class GarbledError(Exception):
    """An answer that does not follow the server's API."""


def call(prompt: Prompt, dialect: str, route: str, model: str) -> Call:
    """The request for a prompt. `dialect`: tgi, openai; `route`: generate, chat; `model`: as the server calls it."""
    if route == "generate" and not prompt.images and prompt.text is not None:
        return Call("/generate", {"inputs": prompt.text, "parameters": _parameters(prompt)})
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(prompt),
        "max_tokens": prompt.max_tokens,
        "temperature": prompt.temperature,  # 0 must be sent: null is sampled
        "logprobs": True,
        "stream": False,
    }
    if prompt.seed is not None:
        body["seed"] = prompt.seed
    if prompt.thinking is not None and dialect == "openai":  # vLLM's and SGLang's; TGI's chat has no such thing
        body["chat_template_kwargs"] = {"enable_thinking": prompt.thinking}
    form = _tgi_grammar(prompt) if dialect == "tgi" else _openai_grammar(prompt)
    return Call("/v1/chat/completions", body | ({"response_format": form} if form else {}))


def _parameters(prompt: Prompt) -> dict[str, Any]:
    parameters: dict[str, Any] = {"max_new_tokens": prompt.max_tokens, "details": True, "return_full_text": False}
    if prompt.temperature > 0:
        parameters |= {"do_sample": True, "temperature": prompt.temperature}
    if prompt.seed is not None:
        parameters["seed"] = prompt.seed
    grammar = _tgi_grammar(prompt)
    return parameters | ({"grammar": grammar} if grammar else {})


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in prompt.turns]
    if prompt.images:
        urls = ["data:image/jpeg;base64," + base64.b64encode(image).decode() for image in prompt.images]
        pictures = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        shown = messages[len(prompt.messages) - 1]
        shown["content"] = [*pictures, {"type": "text", "text": shown["content"]}]
    return messages


def _tgi_grammar(prompt: Prompt) -> dict[str, Any] | None:
    if prompt.choices is not None:
        return {"type": "regex", "value": "(" + "|".join(map(re.escape, prompt.choices)) + ")"}
    return {"type": "json", "value": dict(prompt.schema)} if prompt.schema is not None else None


def _openai_grammar(prompt: Prompt) -> dict[str, Any] | None:
    schema = prompt.schema
    if prompt.choices is not None:
        schema = {
            "type": "object",
            "properties": {CHOICE: {"type": "string", "enum": list(prompt.choices)}},
            "required": [CHOICE],
            "additionalProperties": False,
        }
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}} if schema else None


def reply(prompt: Prompt, dialect: str, path: str, answer: Any) -> Reply:
    """The model's answer in a server's JSON answer to `call`; `path` is that of the call. Raises GarbledError."""
    try:
        read = _without_thoughts(_generated(answer) if path == "/generate" else _chat(answer))
        if dialect == "openai" and prompt.choices is not None and read.finish == "end":
            read = read._replace(text=str(json.loads(read.text)[CHOICE]))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise GarbledError(f"{type(error).__name__} {error} in {str(answer)[:200]!r}") from error
    return read


def _generated(answer: Any) -> Reply:
    details = answer["details"]
    logprobs = [token["logprob"] for token in details["tokens"]]
    text = _text(answer["generated_text"])
    return Reply(text, FINISHED[details["finish_reason"]], None, int(details["generated_tokens"]), _sum(logprobs))


def _chat(answer: Any) -> Reply:
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    content = (choice.get("logprobs") or {}).get("content") or []
    said, finish = choice["message"], FINISHED[choice["finish_reason"]]
    refusal, text = said.get("refusal"), said["content"]
    if refusal:
        text, finish = refusal, "refused"
    elif text is None and finish != "end":  # all tokens went into its thoughts, or nothing of it was let through
        text = ""
    return Reply(
        _text(text),
        finish,
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        _sum([token["logprob"] for token in content]),
        said.get("reasoning_content") or said.get("reasoning"),  # vLLM's older and newer name
    )


def _without_thoughts(read: Reply) -> Reply:
    """The reply with what it thinks aloud at its beginning in `thoughts`."""
    if read.thoughts is not None or (found := THOUGHTS.match(read.text)) is None:
        return read
    return read._replace(text=read.text[found.end() :], thoughts=found[1].strip())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _sum(logprobs: Sequence[float | None]) -> float | None:
    known = [value for value in logprobs if value is not None]
    return sum(known) if known else None
