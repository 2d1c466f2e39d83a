"""No secret of a config is shown, or stands where others can read it."""

from pathlib import Path

import pytest
from support.runs import ProbeRun, command, planned

from slurm.record.manifest import Step
from stages.core.command_line.remembered import read, remember
from stages.core.runner.pipeline import plan_all

SECRET = "abcdefWORD"
SHOWING = [
    ("--cfg", "job"),
    ("--cfg", "all"),
    ("--info", "config"),
    ("--help",),
    ("dry_run=true",),
    ("cluster.env.X=",),
]
ENV = [f"cluster.env.A={SECRET}", f"engine.env.B={SECRET}"]


@pytest.mark.parametrize("words", SHOWING, ids=" ".join)
def test_no_command_shows_a_secret(tmp_path: Path, words: tuple[str, ...]) -> None:
    words = tuple(f"{word}{SECRET}(x" if word.endswith("=") else word for word in words)
    given = [f"runs={tmp_path}", "run=r", f"input.path=https://me:{SECRET}@host/a.csv", *ENV]
    done = command("stages.categorize", *given, "after=ingest", "method=generate", *words)
    assert SECRET not in done.stdout + done.stderr
    assert done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_run_remembers_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    word = f"++cluster.env.A={SECRET}"
    remember(tmp_path, ["cluster=slurm", word])
    assert SECRET not in (tmp_path / "run.json").read_text()
    assert read(tmp_path)["cluster.env.A"] == word
    (tmp_path / ".run.json.secret").unlink()
    assert read(tmp_path) == {"cluster": "cluster=slurm"}


def test_a_plan_has_no_env_of_servers_and_no_password_decides_a_result(tmp_path: Path) -> None:
    words = [f"runs={tmp_path}", "run=r", "after=ingest", "method=generate", f"engine.env.B={SECRET}"]
    plans = [
        plan_all(planned("categorize", *words, f"input.path=https://{who}@host/a.csv"), [])
        for who in (f"me:{SECRET}", "me:other")
    ]
    assert [plan.fingerprint for plan in plans[0]] == [plan.fingerprint for plan in plans[1]]
    assert SECRET not in str(plans[0][1].config)
    step = Step(tmp_path / "r", "ingest")
    step.create(plans[0][0])
    assert SECRET not in step.paths.plan.read_text()
    assert step.plan.config["input"]["path"] == f"https://me:{SECRET}@host/a.csv"


def test_a_run_holds_a_secret_only_where_its_owner_alone_reads(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, f"cluster.env.A={SECRET}", "cluster.executor=debug")
    run.submit()
    holding = [path for path in run.run.rglob("*") if path.is_file() and SECRET in path.read_text(errors="replace")]
    assert holding
    assert {path.stat().st_mode & 0o077 for path in holding} == {0}
