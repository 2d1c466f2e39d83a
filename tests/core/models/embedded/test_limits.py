"""What would take the engine's memory, its time or its connections is refused at once, and others go on."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from support.embedded import Engine, inside, started

from stages.core.models.embedded.connections import Connections

Folder = Callable[[str], Path]
DEEP = 100_000


@pytest.fixture(scope="module")
def engine(folder: Folder) -> Iterator[Engine]:
    with inside("--model-id", str(folder("text"))) as made:
        yield made


def test_a_prompt_of_megabytes_is_refused_by_its_characters(engine: Engine) -> None:
    for status, body in (engine.generate("word " * 5_000_000), engine.chat("word " * 5_000_000)):
        assert status == 422
        assert "characters: more than" in body["error"]
    assert engine.generate("word", max_new_tokens=1).status == 200


def test_the_end_of_a_prompt_of_megabytes_is_taken_where_it_may_be_truncated(engine: Engine) -> None:
    asked = {"max_new_tokens": 4, "truncate": 5}
    long, short = (engine.generate("other " * times + "the last words", **asked) for times in (5_000_000, 50))
    assert (long.status, long.body["generated_text"]) == (200, short.body["generated_text"])


@pytest.mark.parametrize(
    "grammar",
    [
        {"type": "json", "value": '{"properties": {"a": ' + '{"items": ' * DEEP + "{}" + "}" * DEEP + "}}"},
        {"type": "json", "value": {"properties": {"a": {"enum": [str(n) for n in range(20_000)]}}, "required": ["a"]}},
        {"type": "regex", "value": "(" + "|".join(f"choice{n}" for n in range(20_000)) + ")"},
        {"type": "regex", "value": "[ab]" * 200_000},
    ],
    ids=["nested", "enum", "choices", "long"],
)
def test_a_grammar_that_would_take_long_to_compile_is_refused(engine: Engine, grammar: dict[str, object]) -> None:
    said = engine.generate("A", max_new_tokens=1, grammar=grammar)
    assert (said.status, said.body["error_type"]) == (422, "validation")


def test_a_body_that_is_nested_deep_is_refused(engine: Engine) -> None:
    schema = b'{"properties": {"a": ' + b'{"items": ' * DEEP + b"{}" + b"}" * DEEP + b"}}"
    body = b'{"inputs": "A", "parameters": {"grammar": {"type": "json", "value": ' + schema + b"}}}"
    assert engine.post("/generate", body).status == 422


def test_connections_without_a_request_are_closed_and_those_with_one_stay() -> None:
    async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return (await asyncio.wait_for(reader.readuntil(b"here"), 20)).split(b"\r\n", 1)[0]

    async def try_out() -> None:
        connections, app = Connections(headers_s=2.0, strangers=20), web.Application()

        async def answer(request: web.Request) -> web.Response:
            connections.admit(request)
            return web.Response(text="here")

        app.router.add_get("/", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        assert runner.server is not None
        server = runner.server
        watching = asyncio.create_task(connections.watch(lambda: server.connections))
        port = runner.addresses[0][1]
        known = await asyncio.open_connection("127.0.0.1", port)
        assert await get(*known) == b"HTTP/1.1 200 OK"
        strangers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        for _, writer in strangers:
            writer.write(b"GET / HTTP/1.1\r\nHost")  # … and no more of it
        ends = await asyncio.wait_for(
            asyncio.gather(*(reader.read() for reader, _ in strangers), return_exceptions=True), 30
        )
        assert all(end == b"" or isinstance(end, ConnectionError) for end in ends)
        assert await get(*known) == b"HTTP/1.1 200 OK"
        watching.cancel()
        await runner.cleanup()

    asyncio.run(try_out())


def test_it_ends_within_seconds_though_requests_are_half_sent(folder: Folder) -> None:
    with started("--model-id", str(folder("text")), API_KEY="secret") as engine:
        half = [socket.create_connection(("127.0.0.1", engine.port)) for _ in range(5)]
        head = "POST /generate HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\nContent-Length: 1000\r\n\r\n{"
        for connection, sent in zip(half, ["", "POST /gen", head, head, json.dumps({})], strict=True):
            connection.sendall(sent.encode())
        assert engine.generate("A", max_new_tokens=1).status == 200
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(60) == 0
        for connection in half:
            connection.close()
