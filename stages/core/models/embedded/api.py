"""Parses the request bodies of TGI's API into a `GenerationRequest`; raises `RequestError` for invalid ones.

Based on TGI 3.3, openapi.json. Where TGI samples (a chat without a temperature, /generate with any sampling parameter),
so do we. Unsupported parameters are refused, which is better than ignoring them; unknown fields are ignored.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_STOPS = 4
DEFAULT_TOKENS = 1024
DATA_URI = "data:"
MARKED_PICTURE = re.compile(rf"!\[\]\(({DATA_URI}[^()\s]*)\)")  # in the text for /generate


class RequestError(Exception):
    """The error response to a request: HTTP status, TGI's error_type, and a message."""

    def __init__(self, status: int, error_type: str, words: str) -> None:
        super().__init__(words)
        self.status, self.error_type, self.words = status, error_type, words


def invalid(words: str) -> RequestError:
    return RequestError(422, "validation", f"Input validation error: {words}")


def generation_failed(words: str) -> RequestError:
    return RequestError(424, "generation", f"Request failed during generation: {words}")


class Grammar(NamedTuple):
    """The grammar that an answer must match: a regex, or a JSON schema (as text)."""

    kind: Literal["regex", "schema"]
    text: str


class Sampling(NamedTuple):
    temperature: float
    top_p: float
    top_k: int  # 0: no limit
    seed: int | None


class Turn(NamedTuple):
    """A chat message: texts and pictures in their order."""

    role: str
    content: "list[str | Picture]"


class Picture(NamedTuple):
    uri: str  # data:image/…;base64,…


@dataclass(frozen=True)
class GenerationRequest:
    """A request for one answer. `prompt`: a raw text, or the turns of a chat, to be formatted by the chat template."""

    prompt: str | list[Turn]
    max_new_tokens: int | None
    sampling: Sampling | None  # None: greedy
    stop: tuple[str, ...]
    truncate: int | None
    grammar: Grammar | None
    details: bool  # whether the response lists the tokens
    full_text: bool = False

    @property
    def pictures(self) -> list[Picture]:
        if isinstance(self.prompt, str):
            return [Picture(uri) for uri in MARKED_PICTURE.findall(self.prompt)]
        return [part for turn in self.prompt for part in turn.content if isinstance(part, Picture)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class JsonGrammar(Body):
    type: Literal["json", "json_object"]
    value: Any


class RegexGrammar(Body):
    type: Literal["regex"]
    value: str


class NamedSchema(Body):
    schema_: Any = Field(alias="schema")


class SchemaGrammar(Body):
    type: Literal["json_schema"]
    value: NamedSchema


AnyGrammar = Annotated[JsonGrammar | RegexGrammar | SchemaGrammar, Field(discriminator="type")]
Stops = Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=MOST_STOPS)]


class Parameters(Body):
    max_new_tokens: int | None = Field(None, ge=1)
    do_sample: bool = False
    temperature: float | None = Field(None, gt=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=0, lt=2**64)
    stop: Stops = []
    truncate: int | None = Field(None, ge=1)
    return_full_text: bool | None = None
    details: bool = False
    grammar: AnyGrammar | None = None
    top_n_tokens: int | None = None
    best_of: int | None = None
    decoder_input_details: bool = False
    adapter_id: str | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    typical_p: float | None = None
    watermark: bool = False


class GenerateBody(Body):
    inputs: str
    parameters: Parameters = Parameters()
    stream: bool = False


class TextChunk(Body):
    type: Literal["text"]
    text: str


class Url(Body):
    url: str


class ImageChunk(Body):
    type: Literal["image_url"]
    image_url: Url


class Message(Body):
    role: str
    content: str | list[Annotated[TextChunk | ImageChunk, Field(discriminator="type")]]


class ChatBody(Body):
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**64)
    stop: Stops | None = None
    logprobs: bool | None = None
    response_format: AnyGrammar | None = None
    stream: bool = False
    top_logprobs: int | None = None
    tools: list[Any] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


Read = TypeVar("Read", bound=Body)


def parse_body(kind: type[Read], body: bytes) -> Read:
    """The validated JSON body. Raises RequestError."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise invalid(f"{place}: {first['msg']}" if place else first["msg"]) from error


def refuse_others(body: Body, harmless: dict[str, Sequence[Any]]) -> None:
    """Raises RequestError for parameters that only TGI supports, unless their value is the neutral one."""
    for name, values in harmless.items():
        if getattr(body, name) not in (None, *values):
            raise invalid(f"{name}: not supported by the embedded engine; leave it out, or use another engine")


def parse_generate(body: GenerateBody) -> GenerationRequest:
    parameters = body.parameters
    refuse_others(body, {"stream": [False]})
    refuse_others(
        parameters,
        {
            "top_n_tokens": [0],
            "best_of": [1],
            "decoder_input_details": [False],
            "adapter_id": [],
            "repetition_penalty": [1.0],
            "frequency_penalty": [0.0],
            "typical_p": [1.0],
            "watermark": [False],
        },
    )
    if not body.inputs:
        raise invalid("inputs: empty")
    if parameters.truncate is not None and MARKED_PICTURE.search(body.inputs):
        raise invalid("truncate: a prompt with pictures cannot be truncated; leave it out")
    warped = (
        parameters.temperature not in (None, 1.0) or parameters.top_k is not None or parameters.top_p not in (None, 1.0)
    )
    sampling = Sampling(parameters.temperature or 1.0, parameters.top_p or 1.0, parameters.top_k or 0, parameters.seed)
    return GenerationRequest(
        prompt=body.inputs,
        max_new_tokens=parameters.max_new_tokens,
        sampling=sampling if parameters.do_sample or warped else None,
        stop=tuple(parameters.stop),
        truncate=parameters.truncate,
        grammar=parse_grammar(parameters.grammar),
        details=parameters.details,
        full_text=bool(parameters.return_full_text),
    )


def parse_chat(body: ChatBody) -> GenerationRequest:
    others: dict[str, Sequence[Any]] = {
        "stream": [False],
        "top_logprobs": [0],
        "tools": [[]],
        "presence_penalty": [0.0],
        "frequency_penalty": [0.0],
    }
    refuse_others(body, others)
    greedy = body.temperature == 0
    temperature = 1.0 if body.temperature is None else body.temperature
    return GenerationRequest(
        prompt=[Turn(message.role, parse_content(message)) for message in body.messages],
        max_new_tokens=body.max_tokens,
        sampling=None if greedy else Sampling(temperature, body.top_p or 1.0, 0, body.seed),
        stop=tuple(body.stop or ()),
        truncate=None,
        grammar=parse_grammar(body.response_format),
        details=bool(body.logprobs),
    )


def parse_content(message: Message) -> list[str | Picture]:
    if isinstance(message.content, str):
        return [message.content]
    parts: list[str | Picture] = []
    for part in message.content:
        if isinstance(part, TextChunk):
            parts.append(part.text)
        elif part.image_url.url.startswith(DATA_URI):
            parts.append(Picture(part.image_url.url))
        else:
            raise invalid("image_url: only data: URIs are supported, nothing is fetched; send the picture itself")
    return parts


def parse_grammar(grammar: JsonGrammar | RegexGrammar | SchemaGrammar | None) -> Grammar | None:
    if grammar is None:
        return None
    if isinstance(grammar, RegexGrammar):
        return Grammar("regex", grammar.value)
    schema = grammar.value if isinstance(grammar, JsonGrammar) else grammar.value.schema_
    try:
        schema = json.loads(schema) if isinstance(schema, str) else schema
    except ValueError as error:
        raise invalid(f"grammar: the schema is a string, and not JSON: {error}") from error
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise invalid('grammar: the schema is not an object with "properties"')
    return Grammar("schema", json.dumps(schema, ensure_ascii=False))
