"""A server as model_server.py, that describes and annotates as it is asked: python -m support.annotator --port P

It reads the times and characters of the prompts of conf/prompt/annotate_*.j2. --fault-share S --seed N: of so many
requests something goes wrong: 429, 5xx, silence, a cut connection, torn or cut JSON, what is not in the form, an answer
to another request. --tell FILE: appends each prompt that it was asked, and its pictures, as JSON lines.
--same: it says the same of all films.
"""

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from support.model_server import Server
from support.pools import TESTS, free_port, up
from support.tgi_api import Chat, Generate

from slurm.pool.engine import Remote

WARM = 6  # requests at the beginning, by which a server is tried out: they are answered well
FAULTS = ("overloaded", "broken", "silent", "dropped", "garbage", "torn", "cut", "off", "odd", "swapped", "late")


class Annotator(Server):
    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.random = random.Random(options.seed)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        kind: Any = Generate if request.path == "/generate" else Chat
        body = await self.taken(request, kind)
        if isinstance(body, web.Response):
            return body
        said = spoken(body)
        wrong = self.seen["requests"] > WARM and self.random.random() < self.options.fault_share
        fault = self.random.choice(FAULTS) if wrong else ""
        if fault == "overloaded":
            return web.json_response({"error": "Model is overloaded", "error_type": "overloaded"}, status=429)
        if fault == "broken":
            return web.json_response({"error": "no shard", "error_type": "incomplete_generation"}, status=500)
        if fault == "silent":
            await asyncio.sleep(10**6)
        if fault == "dropped" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if fault == "garbage":
            return web.Response(text="<html>It works!</html>")
        await asyncio.sleep(0.3 if fault == "late" else self.options.delay_s)
        if self.options.tell:
            with Path(self.options.tell).open("a") as file:
                jpegs = re.findall(r"data:image/jpeg;base64,([\w+/=]+)", json.dumps(body))
                file.write(json.dumps({"said": said, "pictures": len(jpegs), "jpegs": jpegs}) + "\n")
        grammar = body.get("response_format") or (body.get("parameters") or {}).get("grammar")
        text = tell(re.sub(r"Film v\d+", "Film", said) if self.options.same else said, grammar, fault)
        finish = "length" if fault == "cut" or len(text) > self.options.most_characters else "stop"
        text = text[: len(text) // 2] if fault in ("cut", "torn") and grammar else text[: self.options.most_characters]
        return self.reply(request, text, finish, len(said.split()), fault)

    def reply(self, request: web.Request, text: str, finish: str, tokens_in: int, fault: str) -> web.Response:
        tokens_out, words = len(text.split()), list[str]()
        if request.path == "/generate":
            details = {"finish_reason": "eos_token" if finish == "stop" else finish, "generated_tokens": tokens_out}
            answer: dict[str, Any] = {"generated_text": text, "details": {**details, "prefill": [], "tokens": words}}
        else:
            usage = {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            }
            said = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": said, "finish_reason": finish, "logprobs": {"content": words}}
            about = {"id": "", "created": 0, "model": self.options.model_id, "system_fingerprint": ""}
            answer = {**about, "choices": [choice], "usage": usage}
        self.options.fault = "swapped" if fault == "swapped" else None
        given = self.given(request, answer, tokens_in)
        self.options.fault = None
        return given


def spoken(body: dict[str, Any]) -> str:
    """All texts of a request."""
    if "inputs" in body:
        return str(body["inputs"])
    contents = [message["content"] for message in body["messages"]]
    parts = [[{"text": content}] if isinstance(content, str) else content for content in contents]
    return "\n".join(part["text"] for content in parts for part in content if "text" in part)


def tell(said: str, grammar: dict[str, Any] | None, fault: str) -> str:
    """What a model says to a prompt."""
    title = (re.findall(r"^Title: (.*)$", said, re.MULTILINE) or ["something"])[-1]
    if grammar is None:
        if fault == "off":
            return "I'm sorry, but I can't help with that."
        start, end = span_of(said)
        return (
            f"Between {start} and {end} the film {title} shows a person at work, whom we see from near.\n"
            f"Characters:\n- Worker: a person in blue\n- Guest of {start}: with a hat\n"
        )
    schema = grammar["value"]
    keys = schema.get("schema", schema)["properties"].keys()
    values = {key: value for key, value in annotation(said, title).items() if key in keys}
    if fault == "off" and "scenes" in values:
        values["scenes"][0]["cast"] = ["Nobody"]
    if fault == "off" and "qAndA" in values:
        values["qAndA"] = values["qAndA"][:4]
    if fault == "odd" and "scenes" in values:
        values["scenes"][0]["dynamismScore"] = 1.5
    return json.dumps(values)


def span_of(said: str) -> tuple[str, str]:
    lasts = (re.findall(r"The video lasts ([\d:.]+\d)", said) or ["00:00:10"])[-1]
    part = re.findall(r"This is part \d+ of \d+, from ([\d:.]+) to ([\d:.]+\d)", said)
    return part[-1] if part else ("00:00:00", lasts)


def annotation(said: str, title: str) -> dict[str, Any]:
    start, end = span_of(said)
    first, last = (sum(float(n) * 60**p for p, n in enumerate(reversed(text.split(":")))) for text in (start, end))
    middle = f"{(first + last) / 2:.2f}s"
    spans = [(start, middle), (middle, end)]
    numbers = [int(n) for n in re.findall(r"^(\d+)\. \S+ to ", said, re.MULTILINE)] or [1, 2]
    times = [{"start_timestamp": a, "end_timestamp": b} for a, b in spans]
    names = ["Worker", f"Guest of {start}"]
    characters = [{"characterId": str(n), "name": name, "description": "in blue"} for n, name in enumerate(names, 1)]
    return {
        "title": f"About {title}",
        "description": "A person is at work, and a guest comes by to see what is made there.",
        "characterList": characters,
        "scenes": [
            {
                "sceneId": number,
                "title": f"Work {number}",
                "timestamps": span,
                "cast": ["1", names[1]],
                "activities": [{"description": "a person works at a table", "timestamp": span}],
                "props": [{"name": "hammer", "timestamp": span}],
                "videoEditingDetails": [{"description": "a cut", "timestamps": span}],
                "mood": {"description": "calm", "keyMoments": [{"timestamp": middle, "changeDescription": "joy"}]},
                "narrativeProgression": [{"description": "it begins", "timestamp": span["start_timestamp"]}],
                "characterInteraction": [{"characters": ["1", "2"], "description": "they talk"}],
                "thematicElements": "work",
                "contextualRelevance": "none",
                "dynamismScore": 0.5,
                "audioVisualCorrelation": 0.5,
            }
            for number, span in enumerate(times, 1)
        ],
        "storylines": {
            "description": "work is done",
            "scenes": numbers,
            "climax": {"description": "it is done", "timestamp": middle},
        },
        "qAndA": [{"question": f"What is {n}?", "answer": "Work."} for n in range(5)],
        "trimmingSuggestions": [{"description": "shorter", "timestamps": times[0]}],
    }


@contextmanager
def started(*words: str) -> Iterator[Remote]:
    """A process of its own, that answers."""
    remote = Remote(f"http://127.0.0.1:{free_port()}", "", "here")
    command = [sys.executable, "-m", "support.annotator", "--port", remote.url.rpartition(":")[2], *words]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)}) as process:
        try:
            up(remote)
            yield remote
        finally:
            process.kill()


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--model-id", default="test/model")
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--max-concurrent-requests", type=int, default=10**6)
    parser.add_argument("--fault-share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tell")
    parser.add_argument("--same", action="store_true")
    parser.add_argument("--most-characters", type=int, default=10**9)
    options, _ = parser.parse_known_args(words)
    options.fault, options.strict = None, True
    server, app = Annotator(options), web.Application(client_max_size=1 << 26)
    app.router.add_get("/health", server.health)
    app.router.add_get("/seen", server.told)
    app.router.add_get("/metrics", server.metrics)
    app.router.add_get("/info", server.info)
    app.router.add_post("/generate", server.handle)
    app.router.add_post("/v1/chat/completions", server.handle)
    web.run_app(app, host="0.0.0.0", port=options.port, print=None, access_log=None, handler_cancellation=True)


if __name__ == "__main__":
    main(sys.argv[1:])
