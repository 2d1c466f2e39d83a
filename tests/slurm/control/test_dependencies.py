"""What is queued behind a step: it waits as long as what it reads is not done, and no longer."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import cluster, finish, made_step

from slurm.control.behind import queue_behind
from slurm.control.resumed import Resumed
from slurm.control.submit import Window, freeze
from slurm.control.survey import Survey, survey
from slurm.record.manifest import Step
from slurm.scheduler.backend import backend

SLURM = """#!/bin/sh
echo "$(basename $0) $*" >> {folder}/asked
case "$*" in *%E*) echo "afterany:7(unfulfilled)";; esac
"""


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Survey:
    """A step whose task waits in Slurm's queue for job 7, as Slurm's programs say it here."""
    for name in ("squeue", "sacct", "scontrol", "sinfo"):
        (tmp_path / name).write_text(SLURM.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made_step(tmp_path / "r", "source", n=1)
    step = made_step(tmp_path / "r", "second", n=1, inputs=["source"])
    return Survey(step, 1, active={0: "PENDING Dependency"}, windows=[Window("8", 0, 1, [[0]])])


def updates(behind: Survey) -> list[str]:
    """What Slurm was asked to change, the input being as its records say now."""
    step, folder = behind.step, behind.step.run.parent
    source = survey(Step(step.run, "source"))
    queue_behind(step, behind, {"source": Resumed(source)}, backend(cluster()))
    asked = (folder / "asked").read_text().splitlines() if (folder / "asked").exists() else []
    return [line for line in asked if line.startswith("scontrol update")]


def test_a_task_goes_on_waiting_for_a_step_that_is_just_being_sent(behind: Survey) -> None:
    freeze(Step(behind.step.run, "source"), [[0]], cluster(), seen=0, size=9, why={})  # its job has no number yet
    assert updates(behind) == []


def test_a_task_whose_input_is_done_waits_no_more(behind: Survey) -> None:
    source = Step(behind.step.run, "source")
    freeze(source, [[0]], cluster(), seen=0, size=9, why={})
    (source.paths.submissions / "0000" / "jobs.json").write_text('{"arrays": [["7", 0, 1]], "format": 1}')
    finish(source, 0, pl.DataFrame({"video_id": ["a"]}))
    assert updates(behind) == ["scontrol update jobid=8 dependency="]
