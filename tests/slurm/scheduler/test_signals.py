"""When a task has to stop: what it knows of its time limit."""

import time
from pathlib import Path

import pytest

from slurm.scheduler.signals import job_end, own_job


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A job of an older Slurm, which does not tell its tasks when they end."""
    for name in ("SLURM_JOB_END_TIME", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    return monkeypatch


def test_newer_slurms_tell_a_task_its_end(job: pytest.MonkeyPatch) -> None:
    job.setenv("SLURM_JOB_END_TIME", "1795953600")
    assert job_end(5) == 1795953600


@pytest.mark.parametrize("answer", ["exit 1", "echo 'JobId=12 StartTime=Unknown EndTime=Unknown'"])
def test_where_the_controller_does_not_tell_the_limit_that_was_asked_for_counts(
    job: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "scontrol").chmod(0o755)
    job.setenv("PATH", f"{tmp_path}:/bin")
    before = time.time()
    end = job_end(5)
    assert end is not None
    assert before + 300 <= end <= time.time() + 300


def test_outside_slurm_there_is_no_end(job: pytest.MonkeyPatch) -> None:
    job.delenv("SLURM_JOB_ID")
    assert job_end(5) is None


def test_the_allocation_that_a_local_run_is_started_in_is_not_its_own_job(job: pytest.MonkeyPatch) -> None:
    assert own_job() == "12"
    job.setenv("SUBMITIT_EXECUTOR", "local")
    assert own_job() is None
    job.delenv("SUBMITIT_EXECUTOR")  # cluster.executor=debug
    assert (own_job(), job_end(5)) == (None, None)
