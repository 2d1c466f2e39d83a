"""A file that says what is executed is obeyed only if the caller, root, or one whom he trusts has written it."""

import json
import os
import pwd
from pathlib import Path

import pytest
from support.runs import ProbeRun, command
from support.users import AS_ROOT, PEOPLE, nobody_is_trusted  # noqa: F401 (a fixture of every test here)

from slurm import owner
from slurm.errors import InputError
from slurm.owner import UntrustedError, read, reading, trust, trust_as_said
from slurm.table import read_table

OTHER = PEOPLE[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.json"
    path.write_text("{}")
    path.chmod(0o644)
    return path


def test_a_file_of_ones_own_is_obeyed(file: Path) -> None:
    assert read(file) == (b"{}", True, True)


@AS_ROOT
def test_another_users_file_is_obeyed_once_he_is_trusted(file: Path) -> None:
    os.chown(file, OTHER.pw_uid, -1)
    with pytest.raises(UntrustedError, match=rf"belongs to {OTHER.pw_name}.*cluster.trust=\[{OTHER.pw_name}\]"):
        read(file)
    assert read(file, decides=False).obeyed is False
    with reading():
        assert read(file).obeyed is False
    trust([OTHER.pw_name])
    assert read(file) == (b"{}", False, True)


def test_a_file_that_others_can_write_is_not_obeyed(file: Path) -> None:
    file.chmod(0o646)
    with pytest.raises(UntrustedError, match="chmod go-w"):
        read(file)


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(file)
    with pytest.raises(UntrustedError, match="is a link"):
        read(tmp_path / "link.json")
    os.mkfifo(tmp_path / "pipe.json", 0o600)
    with pytest.raises(UntrustedError, match="no file"):
        read(tmp_path / "pipe.json")


def test_users_are_named_in_a_list_and_exist() -> None:
    with pytest.raises(InputError, match=r"cluster\.trust: there is no user"):
        trust(["nobody-has-this-name"])
    with pytest.raises(InputError, match=r"cluster.trust=\[bin\]"):
        trust("bin")


@AS_ROOT
def test_trust_is_taken_from_words_and_own_files_never_from_the_file_in_question(tmp_path: Path) -> None:
    record = tmp_path / "step" / "cluster.json"
    record.parent.mkdir()
    record.write_text(json.dumps({"trust": [OTHER.pw_name]}))
    os.chown(record, OTHER.pw_uid, -1)
    trust_as_said(["run=r"], tmp_path)
    assert owner.trusted() == []
    os.chown(record, 0, -1)
    trust_as_said(["run=r", "cluster.trust=[]"], tmp_path)
    assert owner.trusted() == []
    trust_as_said(["run=r"], tmp_path)
    assert owner.trusted() == [OTHER.pw_name]


DECIDING = [
    "probe/step.json", "probe/cluster.json", "probe/submissions/0000/submission.json", "ingest/cluster.json",
]  # fmt: skip


@AS_ROOT
def test_no_command_executes_what_another_user_wrote_and_all_that_read_go_on(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster.executor=debug")
    run.submit()
    for number, name in enumerate(DECIDING):
        path = run.run / name
        kept = path.read_bytes()
        os.chown(path, OTHER.pw_uid, -1)
        if path.name == "cluster.json":  # the step is not done, so that it would be submitted
            path.write_text(
                json.dumps(
                    {
                        **json.loads(kept),
                        "executor": "local",
                        "setup": [f"touch {tmp_path}/executed"],
                        "trust": [OTHER.pw_name],
                    }
                )
            )
        done = run.step.paths.done(0).rename(tmp_path / "done")
        with pytest.raises(UntrustedError, match=OTHER.pw_name):
            run.resume()
        done.rename(run.step.paths.done(0))
        assert read_table(run.run, "probe").collect().equals(run.expected())
        if number == 0:
            answer = command("slurm", "status", f"runs={run.runs}", "run=r")
            assert (answer.returncode, answer.stderr) == (0, "")
            refused = command("slurm", "cancel", f"runs={run.runs}", "run=r")
            assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
        path.write_bytes(kept)
        os.chown(path, 0, -1)
    assert not (tmp_path / "executed").exists()
    assert run.resume()["probe"].survey.complete()


def test_a_user_has_a_name() -> None:
    assert owner.user_name() == pwd.getpwuid(os.geteuid()).pw_name
    assert owner.user_name(4_000_000) == "4000000"
