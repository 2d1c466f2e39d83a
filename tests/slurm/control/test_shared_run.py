"""A run that two users share on a real Slurm: each executes only what those wrote whom he trusts."""

import stat
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.runs import CONF, ProbeRun, until
from support.users import AS_ROOT, User, shared_folder

from slurm.control.survey import survey
from slurm.owner import reading
from slurm.table import read_table

pytestmark = AS_ROOT
SECRETS = ("token-of-the-first", "token-of-the-second")


@pytest.fixture
def team() -> Iterator[tuple[Path, User, User]]:
    with shared_folder() as found:
        yield found


def test_two_users_go_on_with_each_others_run_if_they_trust_each_other(
    slurm: Path, team: tuple[Path, User, User]
) -> None:
    shared, alice, bob = team
    run = ProbeRun(shared, 6)
    for folder in (run.folder, run.folder / "calls", run.folder / "beside"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    run.order(2, "raise")
    run.order(4, "raise")
    where, files = (
        f"runs={run.runs}",
        [user.keeps("env", f"TOKEN={word}\n") for user, word in zip(team[1:], SECRETS, strict=True)],
    )
    words = [f"--config-dir={CONF}", f"input.path={run.catalogue}", f"steps.probe.folder={run.folder}", "chunks.n=3"]

    def settle(failed: set[int]) -> None:
        def over() -> bool:
            with reading():
                now = survey(run.step)
            return not now.active and set(now.failed) == failed and len(now.done) == 3 - len(failed)

        until(over)

    def refuses(done: "CompletedProcess[str]", whom: User) -> None:
        assert done.returncode == 2, done.stdout + done.stderr
        assert f"belongs to {whom.name}" in done.stderr
        assert f"cluster.trust=[{whom.name}]" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def goes_on(done: "CompletedProcess[str]") -> None:
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr

    goes_on(
        alice.command(
            "stages", "pipeline=probe", where, "run=r", "cluster=devcluster", f"cluster.env_file={files[0]}", *words
        )
    )
    goes_on(bob.command("slurm", "status", where, "run=r"))
    refuses(bob.command("slurm", "resume", where, "run=r"), alice)
    settle({1, 2})
    (run.folder / "item00002.raise").unlink()
    goes_on(
        bob.command("slurm", "resume", where, "run=r", f"cluster.trust=[{alice.name}]", f"cluster.env_file={files[1]}")
    )
    refuses(alice.command("slurm", "resume", where, "run=r", "force=true"), bob)
    settle({2})
    (run.folder / "item00004.raise").unlink()
    goes_on(alice.command("slurm", "resume", where, "run=r", "force=true", f"cluster.trust=[{bob.name}]"))
    settle(set())
    assert read_table(run.run, "probe").collect().equals(run.expected())
    check_files(run.run, {alice.uid, bob.uid})


def check_files(run: Path, owners: set[int]) -> None:
    """What says what is executed can be changed by its owner alone; folders are the group's; no secret is in a file."""
    files = [path for path in run.rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in files} == owners
    assert [path for path in files if any(word in path.read_bytes().decode(errors="ignore") for word in SECRETS)] == []
    deciding = [path for path in files if path.suffix in (".json", ".pkl")]
    assert [path for path in deciding if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []
    scripts = [path for path in run.rglob("*.sh") if not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in scripts} == {0o600}
    folders = [path for path in run.rglob("*") if path.is_dir()]
    closed = {path for path in folders if not path.stat().st_mode & stat.S_IWGRP}
    assert closed == {path for path in folders if path.parent.name == "logs"}
    assert all(path.stat().st_mode & 0o005 == 0o005 for path in closed)
