"""Which nodes are avoided: those that failed again and again of late, and never so many that nowhere is left."""

import json
import time
from pathlib import Path

import pytest
from support.runs import ProbeRun, command, until
from support.slurm import finish
from support.steps import cluster

from slurm.control.nodes import EVENT_S, FORGOTTEN_S, avoided, failing
from slurm.record.history import Past, history

NOW_S = 1_000_000.0


def past(last: float, node: str = "n1", cause: str | None = "node_fail") -> Past:
    return Past(
        name="1_0_0", job="1_0", restart=0, host="h", pid=1, started=0, last=last, rows=0, items=9,
        cause=cause, detail="", log="", fingerprint="f", node=node,
    )  # fmt: skip


def test_six_tasks_that_one_failure_ended_are_one_failure() -> None:
    assert failing([[past(NOW_S - 100 + n)] for n in range(6)], NOW_S) == {}


def test_a_node_that_failed_twice_is_avoided_until_only_one_failure_is_young_enough() -> None:
    chunks = [[past(NOW_S - 5000), past(NOW_S - 100)], [past(NOW_S - 4990, "n2")], [past(NOW_S, "n3", "exception")] * 5]
    assert failing(chunks, NOW_S) == {"n1": NOW_S - 5000 + FORGOTTEN_S}
    assert failing(chunks, NOW_S - 5000 + FORGOTTEN_S) == {}


def test_of_many_failures_the_last_two_count() -> None:
    times = [NOW_S - 50_000, NOW_S - 3000, NOW_S - 3000 + EVENT_S / 2, NOW_S - 1000]
    assert failing([[past(t) for t in times]], NOW_S) == {"n1": NOW_S - 3000 + FORGOTTEN_S}


@pytest.fixture
def sinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sinfo that says what a file says: a line a node, `name|partition|state`."""
    (tmp_path / "sinfo").write_text(f"#!/bin/sh\ncat {tmp_path}/nodes\n")
    (tmp_path / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "nodes"


def test_at_most_a_third_of_the_nodes_that_are_up_is_avoided(sinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW_S)
    chunks = [[past(NOW_S - 5000 + n, f"n{n}"), past(NOW_S - 100 + n, f"n{n}")] for n in range(9)]
    listed = [*(f"n{n}|cpu*|idle" for n in range(6)), "n6|cpu*|down*", "n7|cpu*|drained", "n8|gpu|mixed"]
    sinfo.write_text("\n".join(listed) + "\n")
    assert list(avoided(chunks, cluster())) == ["n5", "n4"]
    assert list(avoided(chunks, cluster(partition="gpu"))) == []
    assert list(avoided(chunks, cluster(partition="gpu,cpu"))) == ["n8", "n5"]
    sinfo.write_text("n0|cpu*|idle\nn1|cpu*|idle\n")
    assert list(avoided(chunks, cluster())) == []
    sinfo.unlink()
    assert list(avoided(chunks, cluster())) == []


@pytest.mark.slow
def test_where_only_failing_nodes_are_left_they_are_taken_all_the_same(tmp_path: Path, slurm: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster=devcluster", "cluster.mem_gb=1", "chunks.n=1", "retry.max_attempts=9")
    run.order(0, "raise", once=True)
    run.submit()
    until(lambda: run.survey().failed)
    for number, ago_s in enumerate((7200, 600)):  # as two failures of cpu3 would have left them
        start = {"job": "1_0", "restart": number, "host": "far", "pid": 1, "node": "cpu3", "log": ""}
        events = [{"event": "start", **start, "fingerprint": run.step.plan.fingerprint}]
        events += [{"event": "end", "cause": "node_fail", "rows": 0}]
        lines = [json.dumps({**event, "t": time.time() - ago_s}) + "\n" for event in events]
        (run.step.paths.attempts_at(0) / f"1_0_{number}.jsonl").write_text("".join(lines))
    assert (
        "node cpu3 failed again and again; avoided until"
        in command("slurm", "status", "run=r", f"runs={run.runs}").stdout
    )
    run.resume(changes={"exclude": "cpu1,cpu2"})
    finish(run)
    assert run.table().equals(run.expected())
    assert [past.node for past in history(run.step, 0) if past.cause == "done"] == ["cpu3"]
