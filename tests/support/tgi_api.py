"""What TGI 3.3 takes and gives, as far as we speak with it: facts of its openapi.json. Anything else is refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Json(Fact):
    type: Literal["json"]
    value: dict[str, Any] | str


class Regex(Fact):
    type: Literal["regex"]
    value: str


class JsonSchema(Fact):
    type: Literal["json_schema"]
    value: dict[str, Any]


Grammar = Annotated[Json | Regex | JsonSchema, Field(discriminator="type")]
Above0 = Annotated[int, Field(gt=0)]


class Parameters(Fact):
    best_of: Above0 | None = None
    decoder_input_details: bool = False
    details: bool = True
    do_sample: bool = False
    frequency_penalty: float | None = None
    grammar: Grammar | None = None
    max_new_tokens: Annotated[int, Field(ge=0)] | None = 1024
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    return_full_text: bool | None = None
    seed: Above0 | None = None
    stop: Annotated[list[str], Field(max_length=4)] = []
    temperature: Annotated[float, Field(gt=0)] | None = None
    top_k: Above0 | None = None
    top_n_tokens: Above0 | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    truncate: int | None = None
    typical_p: float | None = None
    watermark: bool = False


class Generate(Fact):
    inputs: str
    parameters: Parameters = Parameters()


class Url(Fact):
    url: Annotated[str, Field(pattern=r"^data:image/jpeg;base64,")]


class TextPart(Fact):
    type: Literal["text"]
    text: str


class ImagePart(Fact):
    type: Literal["image_url"]
    image_url: Url


class Message(Fact):
    role: str
    content: str | list[Annotated[TextPart | ImagePart, Field(discriminator="type")]]


class Chat(Fact):
    messages: list[Message]
    model: str | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = 1024
    temperature: float | None = None
    top_p: float | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    stop: list[str] | None = None
    stream: bool = False
    logprobs: bool | None = None
    response_format: Grammar | None = None


class Token(Fact):
    id: int
    text: str
    logprob: float | None
    special: bool


class Details(Fact):
    finish_reason: Literal["length", "eos_token", "stop_sequence"]
    generated_tokens: int
    prefill: list[Any]
    tokens: list[Token]
    seed: int | None = None
    best_of_sequences: list[Any] | None = None
    top_tokens: list[Any] | None = None


class Generated(Fact):
    generated_text: str
    details: Details | None = None


class Logprob(Fact):
    token: str
    logprob: float
    top_logprobs: list[Any]


class Logprobs(Fact):
    content: list[Logprob]


class Said(Fact):
    role: str
    content: str
    tool_call_id: str | None = None


class Choice(Fact):
    index: int
    message: Said
    finish_reason: str
    logprobs: Logprobs | None = None


class Usage(Fact):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Chatted(Fact):
    id: str
    object: str = ""
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage


class Info(BaseModel):
    """More may be told."""

    model_id: str
    model_sha: str | None = None
    max_concurrent_requests: int
    max_best_of: int
    max_stop_sequences: int
    max_input_tokens: int
    max_total_tokens: int
    validation_workers: int
    max_client_batch_size: int
    router: str
    version: str


class Refusal(Fact):
    error: str
    error_type: str
