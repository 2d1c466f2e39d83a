"""Replicas as jobs of a real Slurm: they come, fail, are killed, run out of time and go, and no question is lost."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.pools import model_server, on_cluster
from support.runs import command, until
from support.slurm import ask, lose_node, node_of

from slurm.errors import UnavailableError
from slurm.pool.launch import IN_VAIN, cancel_queued, ensure, hopeless, launches
from slurm.pool.registry import PoolFolder
from slurm.pool.wire import Prompt
from stages.core.text.client import Answer, Question, ask_all

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]


@contextmanager
def stopped_at_last(folder: PoolFolder) -> Iterator[PoolFolder]:
    try:
        yield folder
    finally:
        folder.stop()
        cancel_queued(folder)
        jobs = [launch.job for launch in launches(folder)]
        subprocess.run(["scancel", *jobs], check=False)
        until(lambda: not any(ask("squeue", "-h", "-j", job) for job in jobs if job), 60)


def ready(folder: PoolFolder, count: int) -> bool:
    return len([replica for replica in folder.replicas() if replica.state == "ready"]) == count


class Questions:
    """Asks a pool one question after the other, some at once, until told to end; then each has its own answer."""

    def __init__(self, folder: PoolFolder) -> None:
        self.folder, self.enough, self.asked = folder, threading.Event(), 0
        self.found: list[Answer] = []
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        for answer in ask_all(self._all(), self.folder, stopping=lambda: False, leaving=lambda: False):
            self.found.append(answer)

    def _all(self) -> Iterator[Question]:
        while not self.enough.is_set():
            self.asked += 1
            yield Question(f"item{self.asked}", Prompt([("user", f"say word{self.asked}")], 8))

    def answered_by(self) -> set[str]:
        return {answer.replica for answer in self.found[-50:]}

    def end(self) -> None:
        self.enough.set()
        self.thread.join()
        assert {answer.key: answer.reply and answer.reply.text for answer in self.found} == {
            f"item{n}": f"word{n}" for n in range(1, self.asked + 1)
        }
        assert len(self.found) == self.asked


def engine_of(folder: PoolFolder, job: str) -> int:
    """The process of a replica's engine."""
    url = next(replica.url for replica in folder.replicas() if replica.job == job)
    port = url.rpartition(":")[2]
    return int(ask("pgrep", "-f", f"support.model_server .*--port {port}").split()[0])


def test_a_pool_started_twice_is_one_pool_and_a_killed_engine_is_started_again(tmp_path: Path) -> None:
    with stopped_at_last(on_cluster(tmp_path / "r", "--delay-s", "0.05", replicas=2, in_flight=8)) as folder:
        together = [threading.Thread(target=ensure, args=[folder]) for _ in range(4)]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        assert ensure(folder) == []
        assert len(launches(folder)) == 2
        until(lambda: ready(folder, 2), 60)
        assert (folder.root / "key").stat().st_mode & 0o777 == 0o600
        questions = Questions(folder)
        until(lambda: len(questions.answered_by()) == 2)
        os.kill(engine_of(folder, folder.replicas()[0].job), signal.SIGKILL)
        until(lambda: not ready(folder, 2), 30)
        until(lambda: ready(folder, 2), 60)
        until(lambda: len(questions.answered_by()) == 2)
        questions.end()
        assert len(launches(folder)) == 2, "its job lived on"
        status = command("slurm", "serve", f"runs={tmp_path}", "run=r", "pool=text", "status")
        assert status.returncode == 0
        assert status.stdout.count("ready") == 2
        stop = command("slurm", "serve", f"runs={tmp_path}", "run=r", "pool=text", "stop")
        assert "stops" in stop.stdout
        until(lambda: len(folder.ends()) == 2, 60)
        assert {end.cause for end in folder.ends()} == {"stopped"}
        assert folder.replicas() == []


def test_a_lost_node_costs_no_question(tmp_path: Path, slurm: Path) -> None:
    with stopped_at_last(on_cluster(tmp_path / "r", "--delay-s", "0.05", replicas=2, in_flight=8)) as folder:
        ensure(folder)
        until(lambda: ready(folder, 2), 60)
        questions = Questions(folder)
        until(lambda: len(questions.answered_by()) == 2)
        lost = folder.replicas()[0]
        node = node_of(lost.job)
        engine = engine_of(folder, lost.job)
        lose_node(slurm, node)
        os.kill(engine, signal.SIGKILL)  # a node that is gone answers nothing
        try:
            before = len(questions.found)
            until(lambda: len(questions.found) > before + 50)
        finally:
            subprocess.run(["scripts/devcluster", "node", node], check=True)
        questions.end()


def test_all_replicas_gone_for_a_while_cost_time_and_nothing_else(tmp_path: Path) -> None:
    with stopped_at_last(on_cluster(tmp_path / "r", replicas=1, in_flight=8)) as folder:
        questions = Questions(folder)  # nobody has started the pool: who asks does
        until(lambda: len(questions.found) > 20, 90)
        first = folder.replicas()[0].job
        subprocess.run(["scancel", first], check=True)
        until(lambda: not folder.replicas(), 60)
        seen = len(questions.found)
        until(lambda: len(questions.found) > seen + 20, 120)
        assert {replica.job for replica in folder.replicas()} != {first}
        questions.end()


def test_a_replica_whose_time_is_over_is_replaced_and_what_it_does_is_finished(tmp_path: Path) -> None:
    made = on_cluster(tmp_path / "r", "--delay-s", "0.5", minutes=1, drain_s=20, lead_minutes=0.75, in_flight=4)
    with stopped_at_last(made) as folder:
        ensure(folder)
        questions = Questions(folder)
        until(lambda: len({answer.replica for answer in questions.found}) >= 2, 150)
        questions.end()
        assert folder.ends()[0].cause == "expired"
        assert len(folder.ends()) < 4


def test_a_model_that_is_missing_is_told_in_the_engines_own_words_and_not_tried_for_ever(tmp_path: Path) -> None:
    with stopped_at_last(on_cluster(tmp_path / "r", model="no/missing", replicas=1)) as folder:
        begun_s = time.monotonic()
        with pytest.raises(UnavailableError, match="no/missing is not a local folder"):
            list(ask_all([Question("a", Prompt([("user", "hello")], 8))], folder, stopping=bool, leaving=bool))
        assert time.monotonic() - begun_s < 120
        first = folder.ends()[0]
        assert (first.cause, first.was_ready) == ("failed", False)
        assert hopeless(folder)
        assert ensure(folder) == []
        status = command("slurm", "serve", f"runs={tmp_path}", "run=r", "pool=text", "status")
        assert "no more replicas are started" in status.stdout
        assert status.returncode == 1


def test_a_pool_that_nobody_uses_stops_by_itself(tmp_path: Path) -> None:
    with stopped_at_last(on_cluster(tmp_path / "r", replicas=1, idle_minutes=0.1)) as folder:
        ensure(folder)
        until(lambda: bool(folder.ends()), 90)
        assert folder.ends()[0].cause == "idle"
        assert folder.replicas() == []


def test_ports_that_others_have_are_left_out(tmp_path: Path) -> None:
    with model_server() as other:
        taken = int(other.url.rpartition(":")[2])
        with stopped_at_last(on_cluster(tmp_path / "r", replicas=1, ports=(taken - 1, taken + 4))) as folder:
            ensure(folder)
            until(lambda: ready(folder, 1), 60)
            assert not folder.replicas()[0].url.endswith(f":{taken}")


def test_replicas_whose_jobs_never_begin_are_told_with_their_log_and_not_started_for_ever(tmp_path: Path) -> None:
    folder = on_cluster(tmp_path / "r", replicas=1)
    found = folder.settings
    folder.configure(found._replace(cluster=replace(found.cluster, setup=["echo no such module", "exit 7"])))
    with stopped_at_last(folder):

        def look() -> str:
            (folder.root / "looked.json").unlink(missing_ok=True)  # when the queue was asked last
            ensure(folder)
            return hopeless(folder)

        until(look)
        assert hopeless(folder) == "Slurm: FAILED 7:0; its log ends: no such module"
        assert len(launches(folder)) == IN_VAIN
        assert look()
        assert len(launches(folder)) == IN_VAIN
