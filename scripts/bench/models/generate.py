"""Measures the client of model servers: answers a second against what the servers could give, its own CPU, its memory.

Servers are processes of tests/support/model_server.py on this machine. A loop of `requests.post`, as FineVideo has it,
is measured beside it in the same run.
"""

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import requests
from support.pools import model_server, registered, settings

from scripts.bench.lines import Line
from slurm.pool.registry import PoolFolder
from slurm.pool.wire import Prompt
from stages.core.text.client import Question, ask_all

WORDS = "word " * 240  # 1.2 KB
IN_FLIGHT = 512
RATES = (40.0, 80.0, 160.0, 320.0)


def made_pool(in_flight: int) -> PoolFolder:
    made = PoolFolder(Path(tempfile.mkdtemp()) / "run", "text")
    found = settings("pool.timeout_s=60")
    engine = replace(found.engine, route="generate")
    made.configure(found._replace(pool=replace(found.pool, in_flight=in_flight), engine=engine))
    return made


def questions(count: int) -> Iterator[Question]:
    for n in range(count):
        yield Question(f"item{n}", Prompt([("user", WORDS)], 8, text=WORDS))


def asked(pool: PoolFolder, count: int) -> tuple[float, float]:
    """Answers a second, and CPU seconds (user and system) an answer."""
    begun_s, cpu_s, right = time.perf_counter(), time.process_time(), 0
    for answer in ask_all(questions(count), pool, stopping=lambda: False, leaving=lambda: False):
        right += answer.reply is not None
    assert right == count
    return count / (time.perf_counter() - begun_s), (time.process_time() - cpu_s) / count


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder: Path, *, items: int = 100_000, small: bool = False) -> Iterator[Line]:
    items, in_flight, delay_s = (300, 16, 0.05) if small else (items, IN_FLIGHT, 0.5)
    yield from latency(in_flight, delay_s)
    pool = made_pool(64)
    with ExitStack() as ends:
        registered(pool, *(ends.enter_context(model_server("--rate", str(r), key=pool.key())) for r in RATES))
        rate, _ = asked(pool, round((0.5 if small else 20) * sum(RATES)))
    servers = ", ".join(f"{rate:g}" for rate in RATES)
    yield Line(f"servers of {servers} answers/s: share of their sum", rate / sum(RATES), "", 0.9, at_least=True)
    pool = made_pool(64)
    with model_server(key=pool.key()) as server:
        registered(pool, server)
        asked(pool, min(items, 2_000))
        before_mb = memory_mb()
        rate, cpu_s = asked(pool, items)
        yield Line(f"memory over {items:,} items, more than before", memory_mb() - before_mb, "MB", None, "flat")
        yield Line("answers/s, server of 0 ms on the same machine", rate, "1/s")
        yield Line("… client's CPU an answer", cpu_s * 1e3, "ms")


def latency(in_flight: int, delay_s: float) -> Iterator[Line]:
    """Against a server that takes its time over every answer, and takes any number at once."""
    pool = made_pool(in_flight)
    with model_server("--delay-s", str(delay_s), key=pool.key()) as server:
        registered(pool, server)
        rate, cpu_s = asked(pool, 20 * in_flight)
        begun_s = time.perf_counter()
        for _ in range(10):
            body = {"inputs": WORDS, "parameters": {"max_new_tokens": 8, "details": True}}
            requests.post(
                f"{server.url}/generate", data=json.dumps(body), headers={"Authorization": f"Bearer {pool.key()}"}
            )
        loop = 10 / (time.perf_counter() - begun_s)
    could = in_flight / delay_s
    what = f"answers/s, servers of {delay_s:g} s, {in_flight} in flight: share of {could:g}"
    yield Line(what, rate / could, "", 0.9, at_least=True)
    yield Line(f"… client's CPU an answer, {in_flight} in flight", cpu_s * 1e3, "ms", 0.3)
    yield Line("… times a loop of requests.post", rate / loop, "", 200, at_least=True)
