"""How commands end that are interrupted, or may not write where they want to."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.runs import CONF, ROOT, ProbeRun, until

from slurm.__main__ import main

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable]


def started(*words: str, path: Path | None = None) -> "subprocess.Popen[str]":
    """`python -m …` in a process group of its own, as a terminal starts it."""
    places = [*([str(path)] if path else []), str(ROOT), str(ROOT / "tests")]
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("words", [["slurm", "status"], ["stages", "clips"], ["stages.filter", "-m"]], ids=" ".join)
def test_ctrl_c_during_imports_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "polars.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)\n")
    done = started(*words, "run=r", "cluster.env.TOKEN=secret", path=tmp_path)
    said = done.communicate(timeout=60)
    assert (done.returncode, said[0]) == (130, "")
    assert said[1] == f"\ninterrupted: nothing was begun; again: python -m {' '.join(words)} run=r …\n"


@pytest.mark.parametrize("sweep", [[], ["-m", "steps.probe.eat_gb=1,2"]], ids=["one", "sweep"])
def test_ctrl_c_in_a_local_run_is_one_sentence_that_says_how_to_go_on(tmp_path: Path, sweep: list[str]) -> None:
    run = ProbeRun(tmp_path, 4, seconds=2.0)
    keys = [f"input.path={run.catalogue}", f"steps.probe.folder={run.folder}", "steps.probe.seconds=2", *run.overrides]
    words = ["stages", "pipeline=probe", f"--config-dir={CONF}", *keys, *sweep, "items.workers=1", "chunks.size=2"]
    done = started(*words)
    until(run.begun, 60, every=0.05)
    os.killpg(done.pid, signal.SIGINT)
    said = done.communicate(timeout=30)[1]
    assert done.returncode == 130
    assert said.strip().count("\n") == 0, said
    assert said.startswith("\ninterrupted: rows that are finished are kept")
    assert "to go on: python -m stages pipeline=probe" in said
    assert "run=r" in said


def test_ctrl_c_in_a_task_of_this_process_ends_the_command(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, seconds=2.0)
    keys = [f"input.path={run.catalogue}", f"steps.probe.folder={run.folder}", "steps.probe.seconds=2", *run.overrides]
    done = started(
        "stages", "pipeline=probe", f"--config-dir={CONF}", *keys, "items.workers=1", "cluster.executor=debug"
    )
    until(run.begun, 60, every=0.05)
    os.killpg(done.pid, signal.SIGINT)
    assert "interrupted: rows that are finished are kept" in done.communicate(timeout=30)[1]
    assert done.returncode == 130


@pytest.mark.parametrize("verb", ["status", "resume", "watch", "table", "serve"])
def test_help_of_a_command_is_its_usage(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"python -m slurm {verb} ")
    assert [line for line in lines if line.startswith("python") and f" {verb} " not in line] == []


def test_output_that_nobody_reads_to_its_end_is_no_error() -> None:
    done = started("stages.filter", "--help")
    assert done.stdout
    assert done.stderr
    done.stdout.close()
    assert (done.stderr.read(), done.wait(60)) == ("", 130)


@pytest.fixture(scope="module")
def foreign() -> Iterator[ProbeRun]:
    """A run of ours, in a folder that others may read."""
    if os.getuid() != 0:
        pytest.skip("only root can act as another user")
    if subprocess.run([*NOBODY, "-c", "import polars"], check=False, cwd="/", stderr=subprocess.DEVNULL).returncode:
        pytest.skip("another user cannot run this Python")
    place = Path(tempfile.mkdtemp(prefix="reelmill-foreign-"))
    place.chmod(0o755)
    run = ProbeRun(place, 2, "cluster.executor=debug", "items.workers=1")
    assert run.submit() == 0
    yield run
    shutil.rmtree(place)


CLOSED = {
    "cancel": (["slurm", "cancel"], "", "Permission denied: it belongs to root"),
    "drop": (["slurm", "drop", "step=probe"], "", "Permission denied: it belongs to root"),
    "plan": (["slurm", "status"], "probe/step.json", "probe/step.json: Permission denied: it belongs to root"),
    "step": (["slurm", "resume"], "probe", "r/probe: Permission denied: it belongs to root"),
    "words": (["stages.filter", "after=probe"], "run.json", "run.json: Permission denied: it belongs to root"),
}


@pytest.mark.parametrize("case", CLOSED)
def test_another_users_files_are_named_with_their_owner(foreign: ProbeRun, case: str) -> None:
    words, closed, said = CLOSED[case]
    (foreign.run / "run.json").write_text("{}")
    path, mode = foreign.run / closed, (foreign.run / closed).stat().st_mode
    if closed:
        path.chmod(0o700)
    done = subprocess.run(
        [*NOBODY, "-m", *words, "run=r", f"runs={foreign.runs}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    path.chmod(mode)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr
