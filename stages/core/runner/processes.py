"""Rows through worker processes: a decoder that crashes, hangs or eats its memory costs one item, never the chunk."""

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from slurm.errors import ChunkError
from slurm.scheduler.signals import Stop
from stages.core.runner.worker import Function, Limits, Order, Worker
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables

START_S = 120.0  # a worker that has not started by then (imports from a slow shared filesystem) never will
KILLED_ON_START = 3  # workers that may be killed while they start, one after another: by hand, or for want of memory
TICK_S = 0.5
STOOD_STILL_S = 1.0  # a wait that was so much too long was no wait: this process was stopped

log = logging.getLogger("reelmill")


class Result(NamedTuple):
    """One finished item: its tables, or the code of its error."""

    row: Row
    tables: Tables
    error: str | None = None
    detail: str | None = None


class Processes:
    """Worker processes that live as long as their task, so that imports are paid once a worker.

    Each works on `at_once` rows at the same time. A worker that dies takes all of these with it, and nobody knows which
    one it was: each is tried again alone, and only the one that kills its worker then has failed.
    """

    def __init__(self, count: int, timeout_s: float, mem_gb: float | None, stop: Stop, at_once: int = 1) -> None:
        self.count, self.timeout_s, self.mem_gb, self.stop, self.at_once = count, timeout_s, mem_gb, stop, at_once
        self.workers: list[Worker] = []
        self.killed = 0  # workers, one after another, that somebody killed while they started

    def close(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers = []

    def map(self, function: Function, args: tuple[object, ...], rows: Sequence[Row]) -> Iterator[Result]:
        """A Result for each row, in the order in which they are finished; fewer when the stop says so.

        Raises ChunkError if the function raises anything but ItemError; errors for people (ReelmillError) as they are.
        """
        try:
            yield from self._map(function, args, rows)
        finally:  # what is still under way belongs to rows that nobody waits for any more
            for worker in [worker for worker in self.workers if self.stop.asked or worker.orders]:
                self._drop(worker)

    def _map(self, function: Function, args: tuple[object, ...], rows: Sequence[Row]) -> Iterator[Result]:
        todo = [Order(row) for row in reversed(rows)]
        left = len(todo)
        while left and not self.stop.now:
            together = 1 if todo and todo[-1].alone else self.at_once
            while len(self.workers) < min(self.count, -(-left // together)):
                rank = min(set(range(self.count)) - {worker.rank for worker in self.workers})
                self.workers.append(Worker(function, args, Limits(self.mem_gb, self.at_once), rank))
            if not self.stop.asked:
                self._give(todo)
            elif not any(worker.orders for worker in self.workers):
                return
            before_s = time.monotonic()
            wait([worker.pipe for worker in self.workers], TICK_S)
            stood_still_s = time.monotonic() - before_s - TICK_S
            for worker in list(self.workers):
                if stood_still_s > STOOD_STILL_S:  # the job was suspended, its items with it: no time of theirs
                    worker.excuse(stood_still_s)
                for result in self._look(worker, todo):
                    left -= 1
                    yield result

    def _give(self, todo: list[Order]) -> None:
        while todo:
            free = [worker for worker in self.workers if worker.has_room(todo[-1].alone)]
            if not free or not min(free, key=lambda worker: len(worker.orders)).give(todo[-1]):
                return
            todo.pop()

    def _look(self, worker: Worker, todo: list[Order]) -> Iterator[Result]:
        """What a worker has finished; what it leaves goes back to `todo`."""
        try:
            while worker.pipe.poll():
                yield from self._heard(worker, todo, *worker.pipe.recv())
        except (EOFError, OSError):  # OSError: it died in the middle of a sentence
            yield from self._crashed(worker, todo)
            return
        now_s = time.monotonic()
        if not worker.ready and now_s - worker.begun_s > START_S:
            raise ChunkError(f"a worker process did not start within {START_S:.0f} s")
        late = {key for key, (_, since_s) in worker.orders.items() if now_s - since_s > self.timeout_s}
        if late:
            self._drop(worker)
            todo += [order for key, (order, _) in worker.orders.items() if key not in late]
            for key in late:
                why = f"more than items.timeout_s={self.timeout_s:g}"
                yield Result(worker.orders[key][0].row, {}, "item_timeout", why)

    def _heard(self, worker: Worker, todo: list[Order], kind: str, *told: Any) -> Iterator[Result]:
        if kind == "ready":
            worker.ready = True
            self.killed = 0
        elif kind == "raised":
            raise told[0]
        else:
            order, _ = worker.orders.pop(told[0])
            if kind == "memory" and self.at_once > 1 and not order.alone:  # perhaps the others took it
                todo[:0] = [order._replace(alone=True)]
            else:
                yield Result(order.row, *told[1:])

    def _crashed(self, worker: Worker, todo: list[Order]) -> Iterator[Result]:
        self._drop(worker)
        code = worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        orders = [order for order, _ in worker.orders.values()]
        log.warning("a worker process died (%s) over %s", how, ", ".join(map(str, orders)) or "nothing")
        if not worker.ready:
            self.killed += code == -signal.SIGKILL
            if code != -signal.SIGKILL or self.killed > KILLED_ON_START:  # a kill is no fault of what it imports
                raise ChunkError(f"a worker process died on start ({how}): see the log above")
        todo[:0] = [order._replace(alone=True) for order in orders if not order.alone]  # after all others
        yield from (Result(order.row, {}, "item_crashed", how) for order in orders if order.alone)

    def _drop(self, worker: Worker) -> None:
        worker.end()
        self.workers.remove(worker)
