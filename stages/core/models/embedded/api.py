"""What a request asks for (`Ask`), read from the bodies of TGI's API; whatever it may not ask is `RefusedError`.

Facts: TGI 3.3, openapi.json. Where TGI samples (a chat without a temperature, /generate with any sampling parameter),
so do we. What we do not have is refused: a request that is obeyed by half would be worse. Unknown fields are not read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_STOPS = 4
DEFAULT_TOKENS = 1024
DATA_URI = "data:"
MARKED_PICTURE = "![](data:"


class RefusedError(Exception):
    """A request that gets an error: HTTP status, TGI's error_type, and words for a person."""

    def __init__(self, status: int, error_type: str, words: str) -> None:
        super().__init__(words)
        self.status, self.error_type, self.words = status, error_type, words


def invalid(words: str) -> RefusedError:
    return RefusedError(422, "validation", f"Input validation error: {words}")


def failed(words: str) -> RefusedError:
    return RefusedError(424, "generation", f"Request failed during generation: {words}")


class Grammar(NamedTuple):
    """What an answer must match: a regex, or JSON of a schema (its text)."""

    kind: Literal["regex", "schema"]
    text: str


class Sampling(NamedTuple):
    temperature: float
    top_p: float
    top_k: int  # 0: all
    seed: int | None


class Turn(NamedTuple):
    """A message: strings, and pictures as data URIs (`Picture`), in their order."""

    role: str
    content: "list[str | Picture]"


class Picture(NamedTuple):
    uri: str


@dataclass(frozen=True)
class Ask:
    """One answer that is wanted. `prompt`: a text as it is, or the turns of a chat, to which the template belongs."""

    prompt: str | list[Turn]
    max_new_tokens: int | None
    sampling: Sampling | None  # None: greedy
    stop: tuple[str, ...]
    truncate: int | None
    grammar: Grammar | None
    pieces: bool  # whether tokens are told one by one
    full_text: bool = False

    @property
    def pictures(self) -> list[Picture]:
        turns = [] if isinstance(self.prompt, str) else self.prompt
        return [part for turn in turns for part in turn.content if isinstance(part, Picture)]


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


def read(kind: type[Read], body: bytes) -> Read:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise invalid(f"{place}: {first['msg']}" if place else first["msg"]) from error


def refuse_others(body: Body, harmless: dict[str, Sequence[Any]]) -> None:
    """Refuses what only TGI has, unless its value asks for nothing."""
    for name, values in harmless.items():
        if getattr(body, name) not in (None, *values):
            raise invalid(f"{name}: the embedded engine does not have it; leave it out, or use an engine that does")


def generate_ask(body: GenerateBody) -> Ask:
    given = body.parameters
    refuse_others(body, {"stream": [False]})
    refuse_others(
        given,
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
        raise invalid("inputs: it is empty")
    if MARKED_PICTURE in body.inputs:
        raise invalid("inputs: pictures are read in /v1/chat/completions only")
    warped = given.temperature not in (None, 1.0) or given.top_k is not None or given.top_p not in (None, 1.0)
    sampling = Sampling(given.temperature or 1.0, given.top_p or 1.0, given.top_k or 0, given.seed)
    return Ask(
        prompt=body.inputs,
        max_new_tokens=given.max_new_tokens,
        sampling=sampling if given.do_sample or warped else None,
        stop=tuple(given.stop),
        truncate=given.truncate,
        grammar=grammar(given.grammar),
        pieces=given.details,
        full_text=bool(given.return_full_text),
    )


def chat_ask(body: ChatBody) -> Ask:
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
    return Ask(
        prompt=[Turn(message.role, content(message)) for message in body.messages],
        max_new_tokens=body.max_tokens,
        sampling=None if greedy else Sampling(temperature, body.top_p or 1.0, 0, body.seed),
        stop=tuple(body.stop or ()),
        truncate=None,
        grammar=grammar(body.response_format),
        pieces=bool(body.logprobs),
    )


def content(message: Message) -> list[str | Picture]:
    if isinstance(message.content, str):
        return [message.content]
    parts: list[str | Picture] = []
    for part in message.content:
        if isinstance(part, TextChunk):
            parts.append(part.text)
        elif part.image_url.url.startswith(DATA_URI):
            parts.append(Picture(part.image_url.url))
        else:
            raise invalid("image_url: only data: URIs are read here, nothing is fetched; send the picture itself")
    return parts


def grammar(given: JsonGrammar | RegexGrammar | SchemaGrammar | None) -> Grammar | None:
    if given is None:
        return None
    if isinstance(given, RegexGrammar):
        return Grammar("regex", given.value)
    schema = given.value if isinstance(given, JsonGrammar) else given.value.schema_
    try:
        schema = json.loads(schema) if isinstance(schema, str) else schema
    except ValueError as error:
        raise invalid(f"grammar: the schema is a string that is not JSON: {error}") from error
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise invalid('grammar: the schema is no object with "properties"')
    return Grammar("schema", json.dumps(schema, ensure_ascii=False))
