"""Rows through worker processes: a decoder that crashes, hangs or eats its memory costs one item, never the chunk."""

import ctypes
import logging
import multiprocessing
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from slurm.errors import ChunkError, ItemError, reported
from slurm.signals import Stop
from stages.core.schema import Row

TRIES = 2  # a worker that was killed from outside (kill -9, a lost race for memory) is not its item's fault
START_S = 120.0  # a worker that has not started by then (imports from a slow shared filesystem) never will
TICK_S = 0.5

log = logging.getLogger("reelmill")

Tables = Mapping[str, Sequence[Row]]
Function = Callable[..., Tables]


class Result(NamedTuple):
    """One finished item: its tables, or the code of its error."""

    row: Row
    tables: Tables
    error: str | None = None
    detail: str | None = None


class Worker:
    """A process that applies a function to one row after the other."""

    def __init__(self, function: Function, args: tuple[object, ...], mem_gb: float | None) -> None:
        context = multiprocessing.get_context("spawn")  # fork would copy the threads' locks of polars and OpenCV
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, function, args, mem_gb), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False
        self.row: Row | None = None
        self.tries = 0
        self.since = time.monotonic()

    def give(self, row: Row, tries: int) -> None:
        self.row, self.tries, self.since = row, tries, time.monotonic()
        with suppress(ConnectionError):  # it died while it waited: its closed pipe says so at the next look
            self.pipe.send(row)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Processes:
    """Worker processes that live as long as their task, so that imports are paid once a worker."""

    def __init__(self, count: int, timeout_s: float, mem_gb: float | None, stop: Stop) -> None:
        self.count, self.timeout_s, self.mem_gb, self.stop = count, timeout_s, mem_gb, stop
        self.workers: list[Worker] = []

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers = []

    def map(self, function: Function, args: tuple[object, ...], rows: Sequence[Row]) -> Iterator[Result]:
        """A Result for each row, in the order in which they are finished; fewer when the stop says so.

        Raises ChunkError if the function raises anything but ItemError.
        """
        try:
            yield from self._map(function, args, rows)
        finally:  # what is still under way belongs to rows that nobody waits for any more
            for worker in [worker for worker in self.workers if self.stop.asked or worker.row is not None]:
                self._drop(worker)

    def _map(self, function: Function, args: tuple[object, ...], rows: Sequence[Row]) -> Iterator[Result]:
        todo = [(row, 0) for row in reversed(rows)]
        left = len(todo)
        while left and not self.stop.now:
            while len(self.workers) < min(self.count, left):
                self.workers.append(Worker(function, args, self.mem_gb))
            for worker in self.workers:
                if worker.ready and worker.row is None and todo and not self.stop.asked:
                    worker.give(*todo.pop())
            if self.stop.asked and not any(worker.row for worker in self.workers):
                return
            wait([worker.pipe for worker in self.workers], TICK_S)
            for worker in list(self.workers):
                result = self._look(worker)
                if isinstance(result, Result):
                    left -= 1
                    yield result
                elif result is not None:
                    todo.append(result)

    def _look(self, worker: Worker) -> "Result | tuple[Row, int] | None":
        """A worker's answer, if there is one; its row again, if it died and there are tries left."""
        row = worker.row
        try:
            if worker.pipe.poll():
                kind, *answer = worker.pipe.recv()
                if kind == "raised":
                    raise ChunkError(answer[0])
                if kind == "ready":
                    worker.ready = True
                    return None
                worker.row = None
                assert row is not None
                return Result(row, *answer)
        except (EOFError, ConnectionResetError):
            return self._crashed(worker)
        limit_s = self.timeout_s if worker.ready else START_S
        if (row is not None or not worker.ready) and time.monotonic() - worker.since > limit_s:
            self._drop(worker)
            if row is None:
                raise ChunkError(f"a worker process did not start within {START_S:.0f} s")
            return Result(row, {}, "item_timeout", f"more than items.timeout_s={self.timeout_s:g}")
        return None

    def _crashed(self, worker: Worker) -> "Result | tuple[Row, int] | None":
        self._drop(worker)
        code = worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        log.warning("a worker process died (%s) over %s", how, worker.row)
        if worker.row is None:
            if not worker.ready:
                raise ChunkError(f"a worker process died on start ({how}): see the log above")
            return None
        if worker.tries + 1 < TRIES:
            return worker.row, worker.tries + 1
        return Result(worker.row, {}, "item_crashed", how)

    def _drop(self, worker: Worker) -> None:
        worker.end()
        self.workers.remove(worker)


def _serve(pipe: "Connection[Any, Any]", function: Function, args: tuple[object, ...], mem_gb: float | None) -> None:
    """A worker's life. Signals are the task's to handle; it dies with the task, and first when memory is short."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")
    if mem_gb is not None:
        limit = int(mem_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    pipe.send(("ready",))
    with reported(lambda error: pipe.send(("raised", f"{type(error).__name__}: {error}\n{traceback.format_exc()}"))):
        while True:
            try:
                row = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(("ok", function(row, *args)))
            except ItemError as error:
                pipe.send(("ok", {}, error.code, error.detail))
            except MemoryError:
                pipe.send(
                    ("ok", {}, "item_crashed", f"more memory than items.mem_gb={mem_gb:g}" if mem_gb else "memory")
                )
