"""A task loads only a pickle that its own user wrote, in a folder where nobody else writes."""

import os
import pickle
import stat
from pathlib import Path

import pytest
from support.users import AS_ROOT, PEOPLE

from slurm.owner import UntrustedError
from slurm.scheduler.begin import closed_to_others, load


def test_what_is_sent_can_be_changed_by_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        with closed_to_others(tmp_path / "logs" / "0000"):
            (tmp_path / "logs" / "0000" / "task.sh").write_text("export A_TOKEN=abcdef")
            (tmp_path / "logs" / "0000" / "task.pkl").write_bytes(pickle.dumps(1))
        assert os.umask(0o002) == 0o002
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "logs").rglob("*")}
    assert modes == {"0000": 0o755, "task.sh": 0o600, "task.pkl": 0o644}
    assert load(tmp_path / "logs" / "0000" / "task.pkl") == 1


@AS_ROOT
def test_another_users_folder_or_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "task.pkl"
    path.write_bytes(pickle.dumps(1))
    os.chown(path, PEOPLE[0].pw_uid, -1)
    with pytest.raises(UntrustedError, match="belongs to"):
        load(path)
    os.chown(tmp_path, PEOPLE[0].pw_uid, -1)
    with pytest.raises(UntrustedError, match="another user's"), closed_to_others(tmp_path):
        pass
