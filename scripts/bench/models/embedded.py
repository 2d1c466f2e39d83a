"""Measures requests/s of the embedded engine and of `transformers serve --continuous-batching`, same model and prompts.

A tiny text model with random weights on one thread each, 20 new tokens, 64 requests in flight and one: what is measured
is the work around the model. Its extras (transformers[serving]) go into an environment of their own beside this one,
which goes with the benchmark; where they cannot be had, or with `theirs=0`, our figures stand alone.
"""

import asyncio
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import aiohttp

from scripts.bench.lines import ROOT, Line

TOKENS = 20
IN_FLIGHT = 64
BAR = 3.0  # times the requests/s of transformers serve
START_S = 120.0
OURS, THEIRS = "embedded engine", "transformers serve --continuous-batching"
SERVE = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"


class Server(NamedTuple):
    name: str
    url: str
    model: str


def prompt(number: int) -> list[dict[str, str]]:
    words = f"Video {number}: the crowd sings, and the lights change from red to green. Which category fits best?"
    return [{"role": "user", "content": words}]


@contextmanager
def serving(name: str, command: list[str], port: int, model: str) -> Iterator[Server]:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + START_S
        while not healthy(port):
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"{name} did not start: {' '.join(command)}")
            time.sleep(0.1)
        yield Server(name, f"http://127.0.0.1:{port}/v1/chat/completions", model)
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False


def with_extras(folder: Path) -> Path:
    """A Python that sees all that this one sees, and transformers' extras for serving. Raises CalledProcessError."""
    venv.create(folder, with_pip=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    extras = ["-m", "pip", "install", "-q", "--constraint", str(ROOT / "constraints.txt"), "transformers[serving]"]
    subprocess.run([python, *extras], check=True, capture_output=True)
    return python


def requests_per_s(server: Server, in_flight: int, count: int) -> float:
    return asyncio.run(ask_all(server, in_flight, count))


async def ask_all(server: Server, in_flight: int, count: int) -> float:
    numbers = iter(range(count))
    more: dict[str, Any] = {"model": server.model, "max_tokens": TOKENS, "temperature": 0}

    async def ask(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            async with session.post(server.url, json={"messages": prompt(number), **more}) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start_s = time.perf_counter()
        await asyncio.gather(*(ask(session) for _ in range(in_flight)))
        return count / (time.perf_counter() - start_s)


def in_turns(servers: list[Server], requests: dict[int, int], times: int) -> dict[tuple[str, int], list[float]]:
    """Requests/s by server and requests in flight, in turn, so that whatever else the machine does troubles both."""
    for server in servers:
        requests_per_s(server, IN_FLIGHT, requests[IN_FLIGHT])  # warms it up
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(times):
        for in_flight, count in requests.items():
            for server in servers:
                rates.setdefault((server.name, in_flight), []).append(requests_per_s(server, in_flight, count))
    return rates


def measure(folder: Path, *, theirs: int = 1, times: int = 3, small: bool = False) -> Iterator[Line]:
    from stages.core.models.embedded import untrained

    requests = {IN_FLIGHT: 16, 1: 1} if small else {IN_FLIGHT: 640, 1: 40}
    model = str(folder / "model")
    untrained.save(Path(model))
    with ExitStack() as ends:
        ours = [
            sys.executable,
            "-m",
            "stages.core.models.embedded",
            "--model-id",
            model,
            "--port",
            str(port := free_port()),
        ]
        servers = [ends.enter_context(serving(OURS, ours, port, model))]
        if theirs and not small:
            try:
                python = with_extras(folder / "extras")
                serve = [str(python), "-c", SERVE, "serve", model, "--continuous-batching", "--device", "cpu"]
                serve += ["--host", "127.0.0.1", "--port", str(port := free_port()), "--log-level", "error"]
                servers.append(ends.enter_context(serving(THEIRS, serve, port, model)))
            except (subprocess.CalledProcessError, RuntimeError) as error:
                print(f"{THEIRS} cannot be had here, so our figures stand alone: {error}", file=sys.stderr)
        rates = in_turns(servers, requests, 1 if small else times)
    for (name, in_flight), values in rates.items():
        how = ", ".join(f"{rate:.0f}" for rate in values)
        yield Line(f"{name}, {in_flight} in flight", median(values), "1/s", None, how)
        if name == THEIRS:
            ratio = median(rates[OURS, in_flight]) / median(values)
            yield Line(f"… times theirs, {in_flight}", ratio, "", BAR if in_flight > 1 else None, at_least=True)
