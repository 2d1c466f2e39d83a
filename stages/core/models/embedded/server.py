"""TGI's HTTP API over a model in this process: authentication, limits, routes, metrics."""

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from aiohttp import web

from stages.core.models.embedded import responses
from stages.core.models.embedded.api import (
    ChatBody,
    GenerateBody,
    GenerationRequest,
    RequestError,
    invalid,
    parse_body,
    parse_chat,
    parse_generate,
)
from stages.core.models.embedded.batching import Batcher
from stages.core.models.embedded.connections import Connections
from stages.core.models.embedded.decoding import Answer, Job
from stages.core.models.embedded.prompts import Prompts

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LONG_CHARACTERS = 20_000  # tokenizing a longer prompt would block other requests


@dataclass(frozen=True)
class ServerInfo:
    """The server's identity and limits, as reported by /info."""

    model_id: str
    model_sha: str | None  # its revision; of a folder a hash of its weights
    max_concurrent_requests: int
    payload_limit: int
    key: str | None


class Server:
    def __init__(self, served: ServerInfo, prompts: Prompts, batches: Batcher) -> None:
        self.served, self.prompts, self.batches = served, prompts, batches
        self.vocabulary = prompts.loaded.vocabulary
        self.preparing = ThreadPoolExecutor(1, "prompts")
        self.connections = Connections()
        self.in_flight = 0
        self.counts: Counter[str] = Counter()
        self.draining = False
        self.app = web.Application(client_max_size=served.payload_limit, middlewares=[self.guard])
        self.app.add_routes(
            [
                web.post("/generate", self.generate),
                web.post("/", self.compatible),
                web.post("/v1/chat/completions", self.chat),
                web.get("/health", self.health),
                web.get("/info", self.info),
                web.get("/metrics", self.metrics),
                web.get("/v1/models", self.models),
            ]
        )

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Middleware: checks access, and turns exceptions into TGI's error responses."""
        try:
            self.admit(request)
            if request.path != "/health":  # which anybody may ask
                self.connections.admit(request)
            response = await handler(request)
            if request_id := request.headers.get("X-Request-Id"):
                response.headers["X-Request-Id"] = request_id
            return response
        except RequestError as refused:
            return error(refused.status, refused.error_type, refused.words)
        except RecursionError:
            nested = invalid("it is nested too deep")
            return error(nested.status, nested.error_type, nested.words)
        except web.HTTPRequestEntityTooLarge:
            limit = f"the body has more than --payload-limit {self.served.payload_limit} bytes; send smaller pictures"
            return error(413, "validation", limit)
        except web.HTTPException as refused:
            return error(refused.status, "not_found" if refused.status == 404 else "validation", refused.reason)

    def admit(self, request: web.Request) -> None:
        if self.draining and (request.method == "POST" or request.path == "/health"):
            raise RequestError(503, "healthcheck", "the server is shutting down")
        key = self.served.key
        authorization = request.headers.get("Authorization", "")
        if (
            key
            and request.path != "/health"
            and not hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode())
        ):
            raise RequestError(401, "unauthorized", "this server requires its API_KEY: Authorization: Bearer KEY")

    async def answer(self, generation: GenerationRequest) -> tuple[Job, Answer]:
        if self.in_flight >= self.served.max_concurrent_requests:
            raise RequestError(429, "overloaded", "Model is overloaded")
        self.in_flight += 1
        self.counts["requests"] += 1
        try:
            job = await self.prepare_job(generation)
            answer = await self.batches.answer(job)
        finally:
            self.in_flight -= 1
        self.counts["successes"] += 1
        self.counts["tokens"] += len(answer.tokens)
        return job, answer

    async def prepare_job(self, generation: GenerationRequest) -> Job:
        """The job; prepared in another thread if pictures, a grammar or a long prompt take time."""
        long = isinstance(generation.prompt, str) and len(generation.prompt) > LONG_CHARACTERS
        if long or generation.grammar or generation.pictures:
            return await asyncio.get_running_loop().run_in_executor(self.preparing, self.prompts.make_job, generation)
        return self.prompts.make_job(generation)

    async def generate(self, request: web.Request) -> web.Response:
        generation = parse_generate(parse_body(GenerateBody, await request.read()))
        job, answer = await self.answer(generation)
        body = responses.generate_body(generation, answer, self.vocabulary)
        return web.json_response(body, headers={"x-prompt-tokens": str(job.length)})

    async def compatible(self, request: web.Request) -> web.Response:
        generation = parse_generate(parse_body(GenerateBody, await request.read()))
        _, answer = await self.answer(generation)
        return web.json_response([responses.generate_body(generation, answer, self.vocabulary)])

    async def chat(self, request: web.Request) -> web.Response:
        generation = parse_chat(parse_body(ChatBody, await request.read()))
        job, answer = await self.answer(generation)
        return web.json_response(
            responses.chat_body(generation, answer, self.vocabulary, self.served.model_id, job.length)
        )

    async def health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def info(self, request: web.Request) -> web.Response:
        known: dict[str, Any] = {
            "model_id": self.served.model_id,
            "model_sha": self.served.model_sha,
            "model_pipeline_tag": "image-text-to-text" if self.prompts.loaded.processor else "text-generation",
            "max_concurrent_requests": self.served.max_concurrent_requests,
            "max_best_of": 1,
            "max_stop_sequences": 4,
            "max_input_tokens": self.prompts.max_input_tokens,
            "max_total_tokens": self.prompts.max_total_tokens,
            "validation_workers": 1,
            "max_client_batch_size": 1,
            "router": "reelmill-embedded",
            "version": version("reelmill"),
            "sha": None,
            "docker_label": None,
        }
        return web.json_response(known)

    async def models(self, request: web.Request) -> web.Response:
        name = self.served.model_id
        model = {"id": name, "object": "model", "created": 0, "owned_by": name}
        return web.json_response({"object": "list", "data": [model]})

    async def metrics(self, request: web.Request) -> web.Response:
        values = {
            "tgi_queue_size": ("gauge", len(self.batches.waiting)),
            "tgi_batch_current_size": ("gauge", self.batches.running),
            "tgi_request_count": ("counter", self.counts["requests"]),
            "tgi_request_success": ("counter", self.counts["successes"]),
            "tgi_request_generated_tokens_sum": ("counter", self.counts["tokens"]),
        }
        lines = [f"# TYPE {name} {kind}\n{name} {value}\n" for name, (kind, value) in values.items()]
        return web.Response(text="".join(lines), content_type="text/plain")


def error(status: int, kind: str, words: str) -> web.Response:
    body = json.dumps({"error": words, "error_type": kind})
    return web.Response(status=status, text=body, content_type="application/json")
