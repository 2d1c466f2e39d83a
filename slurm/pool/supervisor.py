"""Runs one replica in its job: keeps a server up, and registered while it answers.

The server is registered after it has answered real requests: one prompt, with a picture if the pool takes pictures, and
one request for each grammar in use. Before the job's time limit a successor is started, the server takes no new
requests, and the running ones are finished.
"""

import logging
import os
import sys
import time
from collections.abc import Callable

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from slurm.credentials import redact
from slurm.errors import ClusterError, reported
from slurm.owner import UntrustedError, trust
from slurm.pool.engine import EngineError, Running, start_engine, wait_until_healthy
from slurm.pool.probe import busy, healthy, probe, queued
from slurm.pool.registry import BEAT_S, End, PoolFolder, Replica
from slurm.scheduler.environment import task_variables
from slurm.scheduler.signals import Stop, job_end, own_job
from slurm.screen import log_to

TICK_S = 0.5
LOOK_S = 60.0  # most time between two checks whether the replica is still needed
LOST_BEATS = 3  # an engine counts as dead after so many failed health checks in a row
SEEN_S = 2 * BEAT_S  # by then all clients have read that a replica takes no new requests
IN_USE = ("address already in use", "address in use", "addrinuse")

log = logging.getLogger("reelmill")


def serve(folder: PoolFolder, ensure: Callable[[PoolFolder], object]) -> None:
    """Runs a replica from start to end and records how it ended; raises ChunkError if it failed.

    `ensure(folder)` submits jobs for missing replicas.
    """
    log_to(sys.stdout, force=True)
    trust(folder.settings.cluster.trust)  # whom the user trusted who started the pool
    os.environ.update(task_variables(folder.settings.cluster))
    job = own_job() or f"local{os.getpid()}"
    supervisor = Supervisor(folder, job, ensure)

    def failed(error: Exception) -> None:
        folder.record_end(End(job, "failed", redact(str(error)), supervisor.was_ready, time.time()))

    with (
        Stop(grace_s=folder.settings.pool.drain_s, end=job_end(folder.settings.pool.minutes)) as stop,
        reported(failed),
    ):
        cause = supervisor.serve(stop)
        folder.record_end(End(job, cause, "", supervisor.was_ready, time.time()))
        log.info("replica %s of %s ended: %s", job, folder, cause)


class Supervisor:
    """One replica."""

    def __init__(self, folder: PoolFolder, job: str, ensure: Callable[[PoolFolder], object]) -> None:
        self.folder, self.job, self.ensure, self.settings = folder, job, ensure, folder.settings
        self.was_ready = False
        self._started_s = time.monotonic()

    def serve(self, stop: Stop) -> str:
        """Serves until the replica is not needed any more or has to end; the cause. Raises EngineError."""
        again = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, EngineError) and self._may_restart(error)),
            stop=stop_after_attempt(1 + self.settings.pool.restarts),
            wait=wait_exponential(multiplier=1, max=30),
            before_sleep=lambda state: log.info("started again: %s", state.outcome and state.outcome.exception()),
            reraise=True,
        )
        return str(again(self._serve_once, stop))

    def _may_restart(self, error: EngineError) -> bool:
        """Whether another start may help: the engine has answered before, or its port was taken by another process."""
        return self.was_ready or any(words in str(error).lower() for words in IN_USE)

    def _serve_once(self, stop: Stop) -> str:
        path = self.folder.root / "logs" / f"{self.job}.engine.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with start_engine(self.settings, self.folder.key(), path) as running:
            log.info("engine %s starts at %s; its log: %s", self.settings.engine.name, running.url, path)
            if not wait_until_healthy(running, lambda: stop.asked, self.settings.pool.start_minutes * 60):
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
                self.folder.unregister(self.job)

    def _stay(self, running: Running, replica: Replica, stop: Stop) -> str:
        """Renews the registration until there is a cause to end, then drains the server; the cause.

        Raises EngineError if the engine dies or stops answering.
        """
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
                self.folder.register(replica)
                beat_s = now_s
            if now_s - looked_s >= min(LOOK_S, pool.idle_minutes * 15):
                cause = self._unneeded()
                self._start_missing()
                looked_s = now_s
            cause = _cause(stop) if stop.asked else "stopped" if self.folder.stopped else cause
            time.sleep(TICK_S)
        self.folder.register(replica._replace(state="draining", beat=time.time()))
        log.info("takes no new requests: %s", cause)
        self._drain(running, stop)
        return cause

    def _start_missing(self) -> None:
        try:
            self.ensure(self.folder)
        except (ClusterError, UntrustedError) as error:  # some sites let no node submit; a command or another task may
            log.warning("%s", error)

    def _unneeded(self) -> str:
        """Why the replica is not needed any more (done, idle); "" while it is."""
        if self.folder.finished():
            return "done"
        heard = max([0.0, *self.folder.clients().values()])
        idle_s = min(time.time() - heard, time.monotonic() - self._started_s)
        return "idle" if idle_s > self.settings.pool.idle_minutes * 60 else ""

    def _drain(self, running: Running, stop: Stop) -> None:
        """Waits until running requests are finished and clients have read that no new ones are taken."""
        begun_s = time.monotonic()
        wait_s = self.settings.pool.drain_s if self.folder.clients() else 0.0
        while not stop.now and running.process.poll() is None:
            gone_s = time.monotonic() - begun_s
            if gone_s > wait_s or (gone_s > SEEN_S and not busy(running)):
                return
            time.sleep(TICK_S)


def _cause(stop: Stop) -> str:
    """The cause behind a stop: SIGINT from a person, SIGTERM from scancel or a preemption, else the time limit."""
    return {"SIGINT": "stopped", "SIGTERM": "terminated"}.get(stop.reason, "expired")
