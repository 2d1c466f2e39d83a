"""What the job of a replica does: keeps a server up, and in the registry as long as it is one.

It is registered when it has really answered: a request like those to come, with a picture if the pool is for pictures,
and those whose grammar has to be compiled. Before its time is over its successor is started, it takes nothing new, and
what is under way is finished.
"""

import logging
import os
import sys
import time
from collections.abc import Callable

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from slurm.errors import ClusterError, reported
from slurm.pool.engine import EngineError, Running, started, until_healthy
from slurm.pool.probe import busy, healthy, probe, queued
from slurm.pool.registry import BEAT_S, End, PoolFolder, Replica
from slurm.scheduler.signals import Stop, job_end, own_job

TICK_S = 0.5
LOOK_S = 60.0  # at most, between looks whether it is needed
LOST_BEATS = 3  # health checks in a row that fail before an engine counts as dead
SEEN_S = 2 * BEAT_S  # clients have seen by then that a replica takes nothing new
IN_USE = ("address already in use", "address in use", "addrinuse")

log = logging.getLogger("reelmill")


def serve(folder: PoolFolder, ensure: Callable[[PoolFolder], object]) -> None:
    """A replica's whole life; raises ChunkError if it failed. `ensure` starts what the pool lacks."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    job = own_job() or f"local{os.getpid()}"
    supervisor = Supervisor(folder, job, ensure)

    def failed(error: Exception) -> None:
        folder.end(End(job, "failed", str(error), supervisor.was_ready, time.time()))

    with Stop(grace_s=folder.settings.pool.drain_s, end=job_end()) as stop, reported(failed):
        cause = supervisor.serve(stop)
        folder.end(End(job, cause, "", supervisor.was_ready, time.time()))
        log.info("replica %s of %s ended: %s", job, folder, cause)


class Supervisor:
    """One replica."""

    def __init__(self, folder: PoolFolder, job: str, ensure: Callable[[PoolFolder], object]) -> None:
        self.folder, self.job, self.ensure, self.settings = folder, job, ensure, folder.settings
        self.was_ready = False
        self._started_s = time.monotonic()

    def serve(self, stop: Stop) -> str:
        """Serves until it is not needed any more or must not; the cause. Raises EngineError."""
        again = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, EngineError) and self._may_restart(error)),
            stop=stop_after_attempt(1 + self.settings.pool.restarts),
            wait=wait_exponential(multiplier=1, max=30),
            before_sleep=lambda state: log.info("started again: %s", state.outcome and state.outcome.exception()),
            reraise=True,
        )
        return str(again(self._serve_once, stop))

    def _may_restart(self, error: EngineError) -> bool:
        """An engine that never answered will not do so the next time, unless another process had its port."""
        return self.was_ready or any(words in str(error).lower() for words in IN_USE)

    def _serve_once(self, stop: Stop) -> str:
        path = self.folder.root / "logs" / f"{self.job}.engine.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with started(self.settings, self.folder.key(), path) as running:
            log.info("engine %s starts at %s; its log: %s", self.settings.engine.name, running.url, path)
            if not until_healthy(running, lambda: stop.asked, self.settings.pool.start_minutes * 60):
                return _cause(stop)
            replica = probe(self.settings, running, self.folder.warm_requests(), self.job)
            self.was_ready = True
            log.info("%s answers as %s", running.url, replica.model)
            try:
                return self._stay(running, replica._replace(expires=stop.end), stop)
            except EngineError:
                if stop.asked:  # Slurm ends all processes of a job at once
                    return _cause(stop)
                raise
            finally:
                self.folder.remove(self.job)

    def _stay(self, running: Running, replica: Replica, stop: Stop) -> str:
        """Beats, looks and waits until there is a cause to end; then until what is under way is finished."""
        beat_s = looked_s = float("-inf")
        missed, cause, pool = 0, "", self.settings.pool
        while not cause:
            running.check()
            now_s = time.monotonic()
            if now_s - beat_s >= BEAT_S:
                missed = 0 if healthy(running) else missed + 1
                if missed >= LOST_BEATS:
                    raise EngineError(f"the engine does not answer; its last words:\n{running.last_words()}")
                leaving = stop.end is not None and time.time() > stop.end - pool.lead_minutes * 60
                state = "leaving" if leaving else "ready"
                replica = replica._replace(state=state, beat=time.time(), queued=queued(running))
                self.folder.put(replica)
                beat_s = now_s
            if now_s - looked_s >= min(LOOK_S, pool.idle_minutes * 15):
                cause = self._unneeded()
                self._start_missing()
                looked_s = now_s
            cause = _cause(stop) if stop.asked else "stopped" if self.folder.stopped else cause
            time.sleep(TICK_S)
        self.folder.put(replica._replace(state="draining", beat=time.time()))
        log.info("takes nothing new: %s", cause)
        self._drain(running, stop)
        return cause

    def _start_missing(self) -> None:
        try:
            self.ensure(self.folder)
        except ClusterError as error:  # nothing can be submitted from here: others may
            log.warning("%s", error)

    def _unneeded(self) -> str:
        """Why nobody needs it any more; "" while somebody does."""
        if self.folder.finished():
            return "done"
        heard = max([0.0, *self.folder.clients().values()])
        idle_s = min(time.time() - heard, time.monotonic() - self._started_s)
        return "idle" if idle_s > self.settings.pool.idle_minutes * 60 else ""

    def _drain(self, running: Running, stop: Stop) -> None:
        """Waits for what is under way, and for clients that have not seen yet that no more is taken."""
        begun_s = time.monotonic()
        wait_s = self.settings.pool.drain_s if self.folder.clients() else 0.0
        while not stop.now and running.process.poll() is None:
            gone_s = time.monotonic() - begun_s
            if gone_s > wait_s or (gone_s > SEEN_S and not busy(running)):
                return
            time.sleep(TICK_S)


def _cause(stop: Stop) -> str:
    """What a signal means: Slurm's before the time limit and our own clock; a person's; a preemption or scancel."""
    return {"SIGINT": "stopped", "SIGTERM": "terminated"}.get(stop.reason, "expired")
