"""A model server that takes its time and does nothing else, over TGI's API: python -m scripts.bench.inputs.stub_server

--port P --delay-s S --slots N     N answers at a time, each takes S; more requests wait
GET /span?reset=1 tells how many answers it has given, and the seconds from the first request to the last answer; the
first `skip` requests (of a client that looks whether it answers) are left out.
"""

import argparse
import asyncio
import json
import random
import time

from aiohttp import web

WORDS = """
man woman dog child boat river beach coat hat bicycle car street light shadow wave tree hill window table lamp
bird red green yellow dark bright old small large walks runs turns looks waits sits opens holds leaves crosses
slowly quickly along behind over under towards beside and while then
"""
INFO = {"model_id": "stub", "model_sha": "abc", "max_concurrent_requests": 10**6, "version": "3"}


def answer(drawn: random.Random) -> dict[str, object]:
    """A text of its own each time: equal texts would raise an alarm."""
    text = " ".join(drawn.choices(WORDS.split(), k=24)).capitalize() + "."
    return {
        "id": "", "object": "", "created": 0, "model": "stub", "system_fingerprint": "",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--delay-s", type=float)
    parser.add_argument("--slots", type=int)
    options = parser.parse_args()
    slots, drawn = asyncio.Semaphore(options.slots), random.Random(1)
    info = json.dumps({**INFO, "max_input_tokens": 10**6, "max_total_tokens": 10**6}).encode()
    came: list[float] = []
    went: list[float] = []

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        came.append(time.monotonic())
        async with slots:
            await asyncio.sleep(options.delay_s)
        went.append(time.monotonic())
        return web.json_response(answer(drawn))

    async def span(request: web.Request) -> web.Response:
        skip = int(request.query.get("skip", "0"))
        told = {"answers": len(went) - skip, "seconds": max(went[skip:]) - min(came[skip:]) if len(went) > skip else 0}
        if request.query.get("reset"):
            came.clear()
            went.clear()
        return web.json_response(told)

    async def facts(request: web.Request) -> web.Response:
        return web.Response(body=info, content_type="application/json")

    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/info", facts)
    app.router.add_get("/health", facts)
    app.router.add_get("/span", span)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
