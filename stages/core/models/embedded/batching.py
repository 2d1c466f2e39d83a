"""Jobs into batches: what has come while a batch ran goes into the next one; a lone job waits for nobody.

Clients that have just been answered come back a moment later. So after a batch of several rows the next one waits for
as many again, a part of what the last one took and no longer.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from stages.core.models.embedded.api import RefusedError, failed
from stages.core.models.embedded.decoding import Answer, Job
from stages.core.models.embedded.generation import shape

log = logging.getLogger("reelmill")
PATIENCE = 0.3  # of the last batch's time; 64 clients get 430 answers a second with 0.1, 530 with this
MOST_PATIENCE_S = 0.05


class Batches:
    """`run` answers the jobs of one batch, in a thread of its own."""

    def __init__(self, run: Callable[[Sequence[Job]], None], max_size: int, max_tokens: int) -> None:
        self.run, self.max_size, self.max_tokens = run, max_size, max_tokens
        self.thread = ThreadPoolExecutor(1, "batches")
        self.waiting: list[Job] = []
        self.running = 0
        self.came = asyncio.Event()
        self.last_size, self.patient_until_s = 0, 0.0

    async def answer(self, job: Job) -> Answer:
        """Raises RefusedError. A job whose waiter is cancelled is dropped, or ends where it is."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | RefusedError] = loop.create_future()
        job.deliver = lambda answer: loop.call_soon_threadsafe(_set, future, answer)
        self.waiting.append(job)
        self.came.set()
        try:
            answer = await future
        finally:
            job.gone = True
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    async def work(self) -> None:
        """Runs batches, for ever."""
        while True:
            await self.came.wait()
            await self._gather()
            if batch := self._next():
                start_s = time.monotonic()
                await self._answer(batch)
                end_s = time.monotonic()
                patience_s = min(MOST_PATIENCE_S, PATIENCE * (end_s - start_s))
                self.last_size, self.patient_until_s = len(batch), end_s + patience_s

    async def _gather(self) -> None:
        if self.last_size <= 1:
            return
        while len(self.waiting) < self.last_size and (left_s := self.patient_until_s - time.monotonic()) > 0:
            self.came.clear()
            try:
                await asyncio.wait_for(self.came.wait(), left_s)
            except TimeoutError:
                return

    def _next(self) -> list[Job]:
        """The first that waits, and those behind it that fit beside it."""
        waiting = [job for job in self.waiting if not job.gone]
        batch: list[Job] = []
        longest = 0
        for job in waiting:
            if batch and shape(job) != shape(batch[0]):
                continue
            longest = max(longest, job.length + job.max_new_tokens)
            if batch and (len(batch) == self.max_size or longest * (len(batch) + 1) > self.max_tokens):
                break
            batch.append(job)
        taken = set(map(id, batch))
        self.waiting = [job for job in waiting if id(job) not in taken]
        if self.waiting:
            self.came.set()
        else:
            self.came.clear()
        return batch

    async def _answer(self, batch: Sequence[Job]) -> None:
        """A batch that fails is tried again row by row: who is to blame is refused, its mates are not."""
        error = await self._try(batch)
        unanswered = [job for job in batch if not job.delivered and not job.gone]
        if error is None or not unanswered:
            return
        log.error("a batch of %d failed", len(batch), exc_info=error)
        if len(batch) == 1:
            batch[0].settle(failed(f"{type(error).__name__}: {error}"))
            return
        for job in unanswered:
            await self._answer([job])

    async def _try(self, batch: Sequence[Job]) -> BaseException | None:
        """What the model raised, if anything: a server must outlive it."""
        self.running = len(batch)
        done = asyncio.get_running_loop().run_in_executor(self.thread, self.run, batch)
        await asyncio.wait([done])
        self.running = 0
        return done.exception()


def _set(future: "asyncio.Future[Answer | RefusedError]", answer: Answer | RefusedError) -> None:
    if not future.done():
        future.set_result(answer)
