"""Two users who share a folder, for tests that root runs: no test can be two users otherwise."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support.runs import ROOT

from slurm import owner

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
PEOPLE = [user for user in pwd.getpwall() if 0 < user.pw_uid < 100][:3]  # a system has these; the third lends its group


@pytest.fixture(autouse=True)
def nobody_is_trusted() -> Iterator[None]:
    """For every test of a module that imports it."""
    owner._trusted.clear()
    yield
    owner._trusted.clear()


class User(NamedTuple):
    name: str
    uid: int
    group: int
    home: Path
    python: Path

    def command(self, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        """Runs `python -m …` as this user, with the umask of a shared folder."""
        places = [ROOT, ROOT / "tests", sysconfig.get_path("purelib")]
        own = {"HOME": str(self.home), "PYTHONPATH": ":".join(map(str, places)), "PYTHONDONTWRITEBYTECODE": "1"}
        own["LD_LIBRARY_PATH"] = str(self.python.parents[1] / "lib")  # of a copy, which looks where it was made
        return subprocess.run(
            [str(self.python), "-m", *words],
            cwd=ROOT,
            env={**os.environ, **own, **env},
            user=self.uid,
            group=self.group,
            extra_groups=[],
            umask=0o002,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def keeps(self, name: str, text: str) -> Path:
        """A file that only this user can read."""
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, self.uid, self.group)
        return path


@contextmanager
def shared_folder() -> Iterator[tuple[Path, User, User]]:
    """A folder of a group, and two users in it."""
    top = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are closed to other users
    try:
        top.chmod(0o755)
        python, shared = python_for_all(top), top / "shared"
        shared.mkdir()
        os.chown(shared, 0, PEOPLE[2].pw_gid)
        shared.chmod(0o2775)
        users = []
        for person in PEOPLE[:2]:
            home = top / person.pw_name
            home.mkdir()
            os.chown(home, person.pw_uid, PEOPLE[2].pw_gid)
            users.append(User(person.pw_name, person.pw_uid, PEOPLE[2].pw_gid, home, python))
        if users[0].command("slurm", "help").returncode:
            pytest.skip(f"{ROOT} or its Python cannot be read by other users")
        yield shared, users[0], users[1]
    finally:
        shutil.rmtree(top)


def python_for_all(folder: Path) -> Path:
    """This Python, or a copy of it where other users cannot reach it (in /root)."""
    here, version = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if all(path.stat().st_mode & 0o001 for path in (here / "bin", *(here / "bin").parents)):
        return Path(sys.executable)
    (folder / "python" / "bin").mkdir(parents=True)
    shutil.copy(here / "bin" / version, folder / "python" / "bin")
    left_out = shutil.ignore_patterns("site-packages", "test", "config-*", "idlelib", "ensurepip", "*.a")
    shutil.copytree(here / "lib" / version, folder / "python" / "lib" / version, ignore=left_out)
    for library in (here / "lib").glob("libpython*"):
        shutil.copy(library, folder / "python" / "lib")
    return folder / "python" / "bin" / version
