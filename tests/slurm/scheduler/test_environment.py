"""What the run says counts, whatever another job or a profile has put into the environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import ROOT, ProbeRun, planned, until
from support.slurm import ask, finish

from slurm.control.survey import survey
from slurm.scheduler.environment import environment

FAST = ("cluster=devcluster", "cluster.mem_gb=1", "chunks.n=2")


def test_only_what_names_the_cluster_is_left_of_slurms_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SLURMD_NODENAME", "SBATCH_TIMELIMIT", "SQUEUE_STATES", "PMI_FD"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/other.conf")
    monkeypatch.setenv("SLURM_CLUSTERS", "east")
    left = environment({"A": "b", "SBATCH_DEBUG": "1"})
    ours = {name: value for name, value in left.items() if name.startswith(("S", "PMI")) and "_" in name}
    assert (
        ours.items() >= {"SLURM_CONF": "/etc/slurm/other.conf", "SLURM_CLUSTERS": "east", "SBATCH_DEBUG": "1"}.items()
    )
    assert not {name for name in ours if name.startswith(("SLURM_J", "SLURM_M", "SLURMD", "SBATCH_T", "SQUEUE", "PMI"))}
    assert left["A"] == "b"
    assert "PATH" in left


def test_the_account_of_a_profile_is_the_default_and_stands_in_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_ACCOUNT", "vision")
    monkeypatch.setenv("SBATCH_PARTITION", "gpu")
    words = ("split", "run=r", "after=[]", "cluster=slurm")
    accounts = [planned(*words, *more)[0].common.cluster for more in ((), ("cluster.account=speech",))]
    assert [(cluster.account, cluster.partition) for cluster in accounts] == [("vision", None), ("speech", None)]


@pytest.mark.slow
def test_a_run_is_submitted_from_within_jobs_of_every_shape(tmp_path: Path, slurm: Path) -> None:
    """As by `watch` in a job, or by a task that starts model servers."""
    shapes = [
        ["--mem=300"],
        ["--mem-per-cpu=100", "-n", "4"],
        ["-p", "gpu", "--gres=gpu:1", "--mem-per-gpu=200"],
        ["--exclusive", "--mem=300", "--ntasks-per-node=2"],
    ]
    runs = []
    for number, shape in enumerate(shapes):
        run = ProbeRun(tmp_path / str(number), 4, *FAST)
        made = f"ProbeRun(Path({str(run.folder.parent)!r}), 4, *{FAST!r})"
        program = tmp_path / f"{number}.py"
        program.write_text(f"from pathlib import Path\nfrom support.runs import ProbeRun\n{made}.submit()\n")
        script = f"#!/bin/sh\ncd {ROOT}\nPYTHONPATH={ROOT}:{ROOT}/tests exec {sys.executable} {program}\n"
        command = ["sbatch", "--parsable", "-t", "5", "-o", f"{tmp_path}/{number}.log", *shape]
        subprocess.run(command, input=script, text=True, check=True, capture_output=True)
        runs.append(run)
    until(lambda: all(run.step.exists for run in runs))
    for run in runs:
        finish(run)
        assert run.table().equals(run.expected())
        assert run.step.done(0) is not None


@pytest.mark.slow
def test_what_the_run_says_outranks_a_profile(tmp_path: Path, slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "gpu")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "1")
    monkeypatch.setenv("SBATCH_EXPORT", "NONE")
    monkeypatch.setenv("SQUEUE_STATES", "SUSPENDED")
    run = ProbeRun(tmp_path, 4, *FAST, "cluster.partition=cpu", "cluster.minutes=7", seconds=1.0)
    run.submit()
    assert survey(run.step).active, "squeue tells of them whatever the profile wants to see"
    finish(run)
    assert run.table().equals(run.expected())
    done = run.step.done(0)
    assert done is not None
    job, _, _ = done.attempt.partition("_")
    until(lambda: ask("sacct", "-X", "-n", "-P", "-j", job, "-o", "Partition,TimelimitRaw").split()[:1] == ["cpu|7"])
