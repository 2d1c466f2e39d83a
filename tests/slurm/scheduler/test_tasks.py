"""A task obeys only a record that its own user wrote, in a folder where nobody else writes."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.noted import note
from support.users import AS_ROOT, PEOPLE

from slurm.owner import UntrustedError
from slurm.scheduler.tasks import closed_to_others, read_task, write_tasks


def test_what_is_sent_can_be_changed_by_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        record = write_tasks(tmp_path / "logs" / "0000", note, ["a", "b"])
        with closed_to_others(record.parent):
            (record.parent / "task.sh").write_text("export A_TOKEN=abcdef")
        assert os.umask(0o002) == 0o002
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "logs").rglob("*")}
    assert modes == {"0000": 0o755, "task.sh": 0o600, record.name: 0o644}
    assert read_task(record, 1) == (note, "b")


@AS_ROOT
def test_another_users_folder_or_record_is_refused(tmp_path: Path) -> None:
    record = write_tasks(tmp_path, note, ["a"])
    os.chown(record, PEOPLE[0].pw_uid, -1)
    with pytest.raises(UntrustedError, match="belongs to"):
        read_task(record, 0)
    os.chown(tmp_path, PEOPLE[0].pw_uid, -1)
    with pytest.raises(UntrustedError, match="another user's"), closed_to_others(tmp_path):
        pass


def test_the_start_of_a_task_brings_neither_numpy_nor_submitit() -> None:
    code = "import sys, slurm.task.task, slurm.scheduler.begin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "submitit", "asyncio", "yaml"} & {*done.stdout.split()}
