"""Prints requests/s of the embedded engine and of `transformers serve --continuous-batching`, same model and prompts.

A tiny text model with random weights on one thread each, 20 new tokens, 64 requests in flight and one: what is measured
is the work around the model. Its extras (transformers[serving]) go into an environment of their own beside this one,
which goes with the benchmark; where they cannot be had, our figures stand alone.

    python -m scripts.bench.embedded
"""

import asyncio
import os
import subprocess
import sys
import sysconfig
import tempfile
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
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scripts.bench.slurm import ROOT

TOKENS = 20
IN_FLIGHT = 64
REQUESTS = {IN_FLIGHT: 640, 1: 40}
ROUNDS = 3
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


def requests_per_s(server: Server, in_flight: int) -> float:
    return asyncio.run(asked(server, in_flight))


async def asked(server: Server, in_flight: int) -> float:
    numbers = iter(range(REQUESTS[in_flight]))
    more: dict[str, Any] = {"model": server.model, "max_tokens": TOKENS, "temperature": 0}

    async def ask(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            async with session.post(server.url, json={"messages": prompt(number), **more}) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start_s = time.perf_counter()
        await asyncio.gather(*(ask(session) for _ in range(in_flight)))
        return REQUESTS[in_flight] / (time.perf_counter() - start_s)


def measured(servers: list[Server]) -> dict[tuple[str, int], list[float]]:
    """Requests/s by server and requests in flight, in turn, so that whatever else the machine does troubles both."""
    for server in servers:
        requests_per_s(server, IN_FLIGHT)  # warms it up
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for in_flight in REQUESTS:
            for server in servers:
                found.setdefault((server.name, in_flight), []).append(requests_per_s(server, in_flight))
    return found


def shown(found: dict[tuple[str, int], list[float]]) -> Table:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    table = Table(title=f"requests/s, {TOKENS} new tokens, medians of {ROUNDS}; {load}", box=SIMPLE_HEAD)
    for title in ("what", "in flight", "requests/s", "times theirs", "bar", "", "of it"):
        table.add_column(title, justify="left" if title in ("what", "", "of it") else "right")
    for (name, in_flight), rates in found.items():
        theirs = found.get((THEIRS, in_flight))
        times = median(rates) / median(theirs) if theirs and name == OURS else None
        judged = times is not None and in_flight == IN_FLIGHT
        verdict = ("[green]ok[/]" if times and times >= BAR else "[red]short[/]") if judged else ""
        of_it = ", ".join(f"{rate:.0f}" for rate in rates)
        cells = [name, str(in_flight), f"{median(rates):.0f}", f"{times:.1f}" if times else ""]
        table.add_row(*cells, f"≥ {BAR:g}" if judged else "", verdict, of_it)
    return table


def main() -> int:
    from stages.core.models.embedded import untrained

    with tempfile.TemporaryDirectory(prefix="reelmill-bench-embedded-") as name, ExitStack() as ends:
        folder = Path(name)
        model = str(folder / "model")
        untrained.save(Path(model))
        ours = [sys.executable, "-m", "stages.core.models.embedded", "--model-id", model, "--port", "8961"]
        servers = [ends.enter_context(serving(OURS, ours, 8961, model))]
        try:
            python = with_extras(folder / "extras")
            theirs = [str(python), "-c", SERVE, "serve", model, "--continuous-batching", "--device", "cpu"]
            theirs += ["--host", "127.0.0.1", "--port", "8962", "--log-level", "error"]
            servers.append(ends.enter_context(serving(THEIRS, theirs, 8962, model)))
        except (subprocess.CalledProcessError, RuntimeError) as error:
            print(f"{THEIRS} cannot be had here, so our figures stand alone: {error}", file=sys.stderr)
        Console(width=None if sys.stdout.isatty() else 160).print(shown(measured(servers)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
