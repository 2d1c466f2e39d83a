"""Tasks that end before our Python starts have a cause and a log like any other, and are not tried for ever."""

from pathlib import Path

import pytest
from support.runs import ProbeRun, command, until
from support.slurm import ask

from slurm.__main__ import main as slurm_command
from slurm.control.submit import Window, load_windows
from slurm.record.files import names

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]

FAST = ("cluster=devcluster", "cluster.mem_gb=1")
BROKEN = 'cluster.setup=["echo module: command not found", "exit 7"]'


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_task_whose_setup_fails_is_told_with_its_log_and_set_aside_in_the_end(
    tmp_path: Path, chunks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ProbeRun(tmp_path, chunks, *FAST, f"chunks.n={chunks}", "retry.max_attempts=2")
    run.submit(BROKEN, "steps.ingest.cluster.setup=[]")
    until(lambda: len(run.survey().failed) == chunks)
    found = run.survey()
    assert set(found.failed.values()) == {"did not start"}
    last = found.past[chunks - 1][-1]
    assert "its log ends: module: command not found" in last.detail
    assert "module: command not found" in Path(last.log).read_text()
    assert "exit 7" not in last.detail
    told = command("slurm", "explain", "run=r", f"runs={run.runs}", "step=probe", f"chunk={chunks - 1}").stdout
    assert f"chunk {chunks - 1}: failed (did not start)" in told
    assert "module: command not found" in told
    assert slurm_command(["watch", "run=r", f"runs={run.runs}", "every=1"]) == 1
    assert "tried 2 times (retry.max_attempts=2); last: did not start" in capsys.readouterr().out
    jobs = [window.job for window in sent(run)]
    ends = ask("sacct", "-X", "-n", "-P", "-j", ",".join(jobs), "-o", "State").split()
    assert ends.count("FAILED") == 2 * chunks
    assert names(run.step.paths.failures(names(run.step.paths.submissions)[-2])), "the breaker has seen it"


def sent(run: ProbeRun) -> list[Window]:
    return [w for name in names(run.step.paths.submissions) for w in load_windows(run.step, name)]


def test_a_task_that_was_cancelled_while_it_waited_is_no_failure(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 4, *FAST, "chunks.n=4", "++cluster.extra.hold=true", "retry.max_attempts=1")
    run.submit()
    slurm_command(["cancel", "run=r", f"runs={run.runs}"])
    until(lambda: not run.survey().active)
    assert run.survey().counts()["pending"] == 4
    for window in sent(run):
        assert "CANCELLED" in ask("sacct", "-X", "-n", "-P", "-j", window.job, "-o", "State")
