"""A process that works on rows: as its task sees it (`Worker`), and from inside (`_serve`)."""

import ctypes
import multiprocessing
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, NamedTuple

from slurm.errors import ChunkError, ItemError, ReelmillError, reported
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables, remove_leftovers

Function = Callable[..., Tables]
OF_THE_TASK = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)  # Slurm sends them to every process


class Order(NamedTuple):
    """A row to be worked on; `alone` if a worker died over it and others: then nobody knew whose fault it was."""

    row: Row
    alone: bool = False

    def __str__(self) -> str:
        return str(next(iter(self.row.values())))  # its key: the row itself may be long


class Limits(NamedTuple):
    """Memory of a worker (None: no limit), and the rows that it works on at the same time."""

    mem_gb: float | None
    at_once: int


class Worker:
    """A process that applies a function to `at_once` rows at the same time, each in a thread of its own."""

    def __init__(self, function: Function, args: tuple[object, ...], limits: Limits, rank: int = 0) -> None:
        """`rank` is its number among the workers of its task, LOCAL_RANK in its environment: that of its GPU."""
        context = multiprocessing.get_context("spawn")  # fork would copy the threads' locks of polars and OpenCV
        self.pipe, theirs = context.Pipe()
        given = (theirs, function, args, limits, rank)
        self.process: BaseProcess = context.Process(target=_serve, args=given, daemon=True)
        resource_tracker.ensure_running()  # not below: it unblocks signals when it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_THE_TASK)  # it starts with them blocked, see _serve
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.at_once, self.rank = limits.at_once, rank
        self.ready = False
        self.begun_s = time.monotonic()
        self.orders: dict[int, tuple[Order, float]] = {}  # under way, with when they were given
        self._given = 0

    def has_room(self, alone: bool) -> bool:
        if alone or any(order.alone for order, _ in self.orders.values()):
            return self.ready and not self.orders
        return self.ready and len(self.orders) < self.at_once

    def give(self, order: Order) -> bool:
        """Sends the row; False if the process has died while idle."""
        self._given += 1
        try:
            self.pipe.send((self._given, order.row))
        except ConnectionError:
            return False
        self.orders[self._given] = order, time.monotonic()
        return True

    def excuse(self, seconds: float) -> None:
        """Gives what is under way so much more time."""
        self.begun_s += seconds
        self.orders = {key: (order, since_s + seconds) for key, (order, since_s) in self.orders.items()}

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        remove_leftovers(self.process.pid or 0)


def _serve(
    pipe: "Connection[Any, Any]", function: Function, args: tuple[object, ...], limits: Limits, rank: int
) -> None:
    """A worker's life. Signals are the task's to handle; it dies with the task, and first when memory is short.

    It says ("ready",), then of each order ("done" or "memory", id, tables, error code, detail) or ("raised", error).
    """
    mem_gb, at_once = limits
    for number in OF_THE_TASK:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_THE_TASK)  # what came while it was imported is gone by now
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    if mem_gb is not None:
        most = int(mem_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    os.environ["LOCAL_RANK"] = str(rank)
    speaking = threading.Lock()

    def say(*message: object) -> None:
        with speaking:
            pipe.send(message)

    def tell(error: Exception) -> None:
        words = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        say("raised", error if isinstance(error, ReelmillError) else ChunkError(words))

    def work(key: int, row: Row) -> None:
        with suppress(ChunkError), reported(tell):
            try:
                say("done", key, function(row, *args), None, None)
            except ItemError as error:
                say("done", key, {}, error.code, error.detail)
            except MemoryError:
                limit = f"more memory than items.mem_gb={mem_gb:g}" if mem_gb else "memory"
                say("memory", key, {}, "item_crashed", limit)

    orders: SimpleQueue[tuple[int, Row]] = SimpleQueue()

    def work_on() -> None:
        with ExitStack() as death:
            death.callback(os._exit, 1)  # a thread that died alone (sys.exit, no memory) would leave its row unanswered
            death.callback(traceback.print_exc)
            while True:
                work(*orders.get())

    for _ in range(at_once if at_once > 1 else 0):  # they live on: a thread a row costs some thousand page faults
        threading.Thread(target=work_on, daemon=True).start()
    say("ready")
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        if at_once == 1:
            work(*order)
        else:
            orders.put(order)
