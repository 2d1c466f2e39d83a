"""A server that speaks TGI's API or OpenAI's without a model, and has what servers have: python -m support.model_server

--port P --model-id M            it answers the prompt's last word, or the first choice of a grammar
--dialect tgi|openai
--delay-s S --rate R             each answer takes S; no more than R answers a second
--max-concurrent-requests N      429 beyond
--fault NAME                     overloaded, garbage, broken, silent, cut, sick or swapped answers, to every request;
                                 mixed: of ten answers one goes to another request, one comes late, one is dropped
--wordy                          no answer keeps to its grammar
--strict                         requests that TGI would not take get 422 (support/tgi_api.py)
The key is in API_KEY. GET /seen tells how many requests came, with how many pictures, how many were malformed, and
the most at once.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import time
from typing import Any

from aiohttp import web
from pydantic import ValidationError
from support.tgi_api import Chat, Generate


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.key = options, os.environ.get("API_KEY", "")
        self.seen = {"requests": 0, "pictures": 0, "malformed": 0, "at_once": 0, "most_at_once": 0}
        self.made = 0  # answers of a server that mixes them up
        self.mixed_up: set[str] = set()  # requests that were dropped, or got another answer
        # an answer that waits to change places with another one, and what it is to become
        self.parked: tuple[web.Response, asyncio.Future[web.Response]] | None = None
        self.next_s = 0.0  # when the next answer may be given, where there is a rate

    async def health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def told(self, request: web.Request) -> web.Response:
        return web.json_response(self.seen)

    async def info(self, request: web.Request) -> web.Response:
        self.check_key(request)
        most = self.options.max_concurrent_requests
        told = {"model_id": self.options.model_id, "model_sha": "abc", "max_concurrent_requests": most, "version": "3"}
        return web.json_response(told | {"max_input_tokens": 1000, "max_total_tokens": 2000})

    async def models(self, request: web.Request) -> web.Response:
        self.check_key(request)
        return web.json_response({"data": [{"id": self.options.model_id, "max_model_len": 2000}]})

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=f"tgi_batch_current_size {self.seen['at_once']}\ntgi_queue_size 0\n")

    async def generate(self, request: web.Request) -> web.Response:
        body = await self.taken(request, Generate)
        if isinstance(body, web.Response):
            return body
        grammar = (body.get("parameters") or {}).get("grammar")
        text = await self.answer(body["inputs"], grammar)
        tokens = [{"id": 1, "text": text, "logprob": -0.5, "special": False}]
        finish = "length" if self.options.fault == "cut" else "eos_token"
        details = {"finish_reason": finish, "generated_tokens": 1, "prefill": [], "tokens": tokens}
        return await self.sent(request, {"generated_text": text, "details": details}, len(body["inputs"].split()))

    async def chat(self, request: web.Request) -> web.Response:
        body = await self.taken(request, Chat)
        if isinstance(body, web.Response):
            return body
        content = body["messages"][-1]["content"]
        said = content if isinstance(content, str) else content[-1]["text"]
        text = await self.answer(said, body.get("response_format"))
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "length" if self.options.fault == "cut" else "stop",
            "logprobs": {"content": [{"token": text, "logprob": -0.5, "top_logprobs": []}]},
        }
        usage = {"prompt_tokens": len(said.split()), "completion_tokens": 1, "total_tokens": len(said.split()) + 1}
        about = {"id": "", "created": 0, "model": self.options.model_id, "system_fingerprint": ""}
        return await self.sent(request, {**about, "choices": [choice], "usage": usage}, usage["prompt_tokens"])

    def check_key(self, request: web.Request) -> None:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized

    async def taken(self, request: web.Request, kind: type[Generate] | type[Chat]) -> dict[str, Any] | web.Response:
        """The body of a request, or what it is refused with."""
        self.check_key(request)
        text = await request.read()
        self.seen["requests"] += 1
        self.seen["pictures"] += text.count(b"data:image/jpeg;base64,")
        if self.options.strict:
            try:
                kind.model_validate_json(text)
            except ValidationError as error:
                self.seen["malformed"] += 1
                return web.json_response({"error": str(error), "error_type": "validation"}, status=422)
        overloaded = self.seen["at_once"] >= self.options.max_concurrent_requests
        if overloaded or self.options.fault == "overloaded":
            return web.json_response({"error": "Model is overloaded", "error_type": "overloaded"}, status=429)
        if self.options.fault == "broken":
            return web.json_response({"error": "no shard", "error_type": "incomplete_generation"}, status=500)
        if self.options.fault == "sick" or b"fails-always" in text:
            return web.json_response({"error": "CUDA error", "error_type": "generation"}, status=424)
        if b"too-long" in text:
            return web.json_response({"error": "`inputs` must have less", "error_type": "validation"}, status=422)
        if b"kills-the-server" in text:
            os._exit(9)
        body: dict[str, Any] = json.loads(text)
        return body

    async def answer(self, said: str, grammar: dict[str, Any] | None) -> str:
        self.seen["at_once"] += 1
        self.seen["most_at_once"] = max(self.seen["most_at_once"], self.seen["at_once"])
        try:
            if self.options.rate:
                self.next_s = max(time.monotonic(), self.next_s) + 1 / self.options.rate
                await asyncio.sleep(self.next_s - time.monotonic())
            await asyncio.sleep(10**6 if self.options.fault == "silent" else self.options.delay_s)
        finally:
            self.seen["at_once"] -= 1
        if grammar is None or self.options.wordy:
            return said.rsplit(maxsplit=1)[-1]
        if grammar["type"] == "regex":
            return re.sub(r"\\(.)", r"\1", grammar["value"][1:-1].split("|")[0])
        schema = grammar.get("json_schema", {}).get("schema") or grammar["value"]
        word = said.rsplit(maxsplit=1)[-1]
        made = {name: (kind.get("enum") or [word])[0] for name, kind in schema["properties"].items()}
        flags = {name: False for name, kind in schema["properties"].items() if kind.get("type") == "boolean"}
        return json.dumps(made | flags)

    async def sent(self, request: web.Request, answer: dict[str, Any], tokens_in: int) -> web.Response:
        own = self.given(request, answer, tokens_in)
        self.made += self.options.fault == "mixed"
        turn, asked = self.made % 10, request.headers.get("X-Request-Id", "").rpartition(".")[0]
        if turn in (3, 7) and asked in self.mixed_up:  # each once: so often that its client gives up would be chance
            return own
        self.mixed_up |= {asked} if asked and turn in (3, 7) else set()
        if turn == 3:
            assert request.transport is not None
            request.transport.close()
        elif turn == 5:
            await asyncio.sleep(0.5)
        elif turn == 7 and self.parked is not None:
            (other, place), self.parked = self.parked, None
            place.set_result(own)
            return other
        elif turn == 7:
            place = asyncio.get_running_loop().create_future()
            self.parked = own, place
            done, _ = await asyncio.wait([place], timeout=1.0)
            if done:
                return place.result()
            self.parked = None
        return own

    def given(self, request: web.Request, answer: dict[str, Any], tokens_in: int) -> web.Response:
        if self.options.fault == "garbage":
            return web.Response(text="<html>It works!</html>")
        request_id = "another" if self.options.fault == "swapped" else request.headers.get("X-Request-Id", "")
        return web.json_response(answer, headers={"X-Request-Id": request_id, "x-prompt-tokens": str(tokens_in)})


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--model-id", default="test/model")
    parser.add_argument("--dialect", default="tgi")
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--max-concurrent-requests", type=int, default=10**6)
    parser.add_argument("--fault")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--wordy", action="store_true")
    parser.add_argument("--die-after-s", type=float)
    options, _ = parser.parse_known_args(words)  # it is started with the options of our own engine, too
    server, app = Server(options), web.Application(client_max_size=1 << 26)
    app.router.add_get("/health", server.health)
    app.router.add_get("/seen", server.told)
    app.router.add_get("/metrics", server.metrics)
    app.router.add_post("/v1/chat/completions", server.chat)
    if options.dialect == "tgi":
        app.router.add_get("/info", server.info)
        app.router.add_post("/generate", server.generate)
    else:
        app.router.add_get("/v1/models", server.models)
    if options.model_id.endswith("missing"):
        sys.exit(f"OSError: {options.model_id} is not a local folder and is not a valid model identifier")
    web.run_app(app, host="0.0.0.0", port=options.port, print=None, access_log=None, handler_cancellation=True)


if __name__ == "__main__":
    main(sys.argv[1:])
