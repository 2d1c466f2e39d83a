"""Measures the client of model servers: answers a second against what the servers could give, its own CPU, its memory.

Servers are processes of tests/support/model_server.py on this machine. A loop of `requests.post`, as FineVideo has it,
is measured beside it in the same run. These are measurements and no tests: the exit status is 0.

    PYTHONPATH=tests python -m scripts.bench.generate [items=100000]
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import requests
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from support.pools import model_server, registered, settings

from slurm.pool.registry import PoolFolder
from slurm.pool.wire import Prompt
from stages.core.text.client import Question, ask_all

WORDS = "word " * 240  # 1.2 KB
IN_FLIGHT = 512
RATES = (40.0, 80.0, 160.0, 320.0)


def folder(in_flight: int) -> PoolFolder:
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


def main(words: list[str]) -> None:
    items = int(dict(word.split("=", 1) for word in words).get("items", 100_000))
    table = Table("what", "measured", "bar", title="client of model servers", title_justify="left", box=SIMPLE_HEAD)
    pool = folder(IN_FLIGHT)
    with model_server("--delay-s", "0.5", key=pool.key()) as server:
        registered(pool, server)
        rate, cpu_s = asked(pool, 20 * IN_FLIGHT)
        begun_s = time.perf_counter()
        for _ in range(10):
            body = {"inputs": WORDS, "parameters": {"max_new_tokens": 8, "details": True}}
            requests.post(
                f"{server.url}/generate", data=json.dumps(body), headers={"Authorization": f"Bearer {pool.key()}"}
            )
        loop = 10 / (time.perf_counter() - begun_s)
    table.add_row(
        f"answers/s, servers of 500 ms, {IN_FLIGHT} in flight: share of {2 * IN_FLIGHT}", f"{rate / 1024:.3f}", ">= 0.9"
    )
    table.add_row("… client CPU an answer, ms", f"{cpu_s * 1e3:.3f}", "<= 0.3")
    table.add_row("… times a loop of requests.post", f"{rate / loop:.0f}", ">= 200")
    pool = folder(64)
    with ExitStack() as ends:
        registered(pool, *(ends.enter_context(model_server("--rate", str(r), key=pool.key())) for r in RATES))
        rate, _ = asked(pool, round(20 * sum(RATES)))
    table.add_row(f"four servers of {RATES} answers/s: share of their sum", f"{rate / sum(RATES):.3f}", ">= 0.9")
    pool = folder(64)
    with model_server(key=pool.key()) as server:
        registered(pool, server)
        asked(pool, 2_000)
        before_mb = memory_mb()
        rate, _ = asked(pool, items)
        table.add_row(f"memory over {items} items, MB more", f"{memory_mb() - before_mb:.1f}", "flat")
        table.add_row("… answers/s, server of 0 ms on the same machine", f"{rate:.0f}", "")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
