"""The events of an attempt: what they tell of it, whole or torn."""

from pathlib import Path
from typing import Any

import pytest
from support.steps import made_step

from slurm.record.history import history
from slurm.record.manifest import Step
from slurm.task.attempt import Attempt

START: dict[str, Any] = {"job": "7_0", "restart": 0, "host": "far", "pid": 1, "node": "far", "log": "log"}


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return made_step(tmp_path)


def begin(step: Step, name: str, **changes: Any) -> Attempt:
    made = Attempt(step, 0, name, {"rows": {}})
    made.event("start", **{**START, "fingerprint": step.plan.fingerprint, **changes})
    return made


def test_the_story_of_an_attempt_is_what_its_events_tell(step: Step) -> None:
    first = begin(step, "7_0_0")
    first.event("beat", rows=3)
    (running,) = history(step, 0)
    assert (running.cause, running.rows, running.node) == (None, 3, "far")
    first.event("end", cause="exception", detail="RuntimeError: x", rows=4)
    (ended,) = history(step, 0)
    assert (ended.cause, ended.detail, ended.rows) == ("exception", "RuntimeError: x", 4)


def test_a_torn_last_event_is_ignored(step: Step) -> None:
    first = begin(step, "7_0_0")
    first.event("beat", rows=3)
    with first.events_path.open("a") as file:
        file.write('{"event": "end", "cau')
    (past,) = history(step, 0)
    assert (past.cause, past.rows) == (None, 3)


FOREIGN = [
    '{"event": "star',
    "",
    "null\n",
    "[1]\n",
    "{}\n",
    '{"event": "start", "t": 1}\n',
    '{"t": "x"}\n',
    "\x00\x00\n",
]


@pytest.mark.parametrize("first", FOREIGN)
def test_of_an_attempt_whose_first_line_is_none_of_ours_its_name_and_its_other_events_tell(
    step: Step, first: str
) -> None:
    folder = step.paths.attempts_at(0)
    folder.mkdir(parents=True)
    (folder / "7_3_1.jsonl").write_text(first)
    (past,) = history(step, 0)
    assert (past.name, past.job, past.restart, past.cause) == ("7_3_1", "7_3", 1, None)
    with (folder / "7_3_1.jsonl").open("a") as file:
        file.write('\n{"event": "end", "t": 5, "cause": "timeout", "rows": 3}\n')
    (past,) = history(step, 0)
    assert (past.job, past.cause, past.rows) == ("7_3", "timeout", 3)


def test_a_file_among_the_attempts_that_is_none_costs_nothing(step: Step) -> None:
    begin(step, "7_0_0")
    (step.paths.attempts_at(0) / "notes.txt").write_text("hello\n")
    assert [past.name for past in history(step, 0)] == ["7_0_0"]


def test_a_heartbeat_behind_the_end_does_not_hide_it(step: Step) -> None:
    first = begin(step, "7_0_0")
    first.event("end", cause="timeout", rows=0)
    first.event("beat", rows=0)
    assert history(step, 0)[0].cause == "timeout"


def test_history_is_oldest_first_and_only_of_the_present_config(step: Step) -> None:
    begin(step, "9_0_0", t=1)
    begin(step, "7_0_0", t=2)
    begin(step, "8_0_0", t=3, fingerprint="another")
    assert [past.name for past in history(step, 0)] == ["9_0_0", "7_0_0"]


@pytest.mark.parametrize("first", ["", '{"event": "start", "t": 1, "jo'])
def test_an_attempt_whose_start_a_full_disk_swallowed_hides_no_other(step: Step, first: str) -> None:
    begin(step, "7_0_0")
    (step.paths.attempts_at(0) / "8_0_0.jsonl").write_text(
        first + '{"event": "beat", "t": 2, "rows": 1, "failed": 0}\n'
    )
    assert "7_0_0" in [past.name for past in history(step, 0)]


def test_a_running_attempt_keeps_its_heartbeat(step: Step) -> None:
    first = Attempt(step, 0, "7_0_0", {}, beat_s=0.01)
    with first:
        while not first.events_path.exists() or first.events_path.read_text().count("\n") < 3:
            pass
    beats = first.events_path.read_text()
    assert beats.count('"beat"') == beats.count("\n") >= 3
