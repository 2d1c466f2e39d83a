"""A pool is one user's, since its key is: where it is another's, one has a pool of one's own beside it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.pools import settings
from support.users import AS_ROOT, PEOPLE, nobody_is_trusted  # noqa: F401 (a fixture of every test here)

from slurm.errors import InputError
from slurm.owner import UntrustedError, reading, trust, user_name
from slurm.pool.config import Settings
from slurm.pool.registry import PoolFolder, Replica

pytestmark = AS_ROOT
OTHER = PEOPLE[0]


def of_another(run: Path, made: Settings) -> None:
    folder = PoolFolder(run, "text")
    folder.configure(made)
    folder.key()
    folder.add_step("asked")
    for path in [folder.root, *folder.root.rglob("*")]:
        os.chown(path, OTHER.pw_uid, -1)


def test_the_settings_of_a_trusted_users_pool_make_one_of_ones_own(tmp_path: Path) -> None:
    of_another(tmp_path, settings())
    with pytest.raises(UntrustedError, match=OTHER.pw_name):
        _ = PoolFolder(tmp_path, "text").settings
    trust([OTHER.pw_name])
    mine = PoolFolder(tmp_path, "text")
    assert mine.settings.pool == settings().pool
    assert mine.settings.cluster.trust == [OTHER.pw_name]
    assert mine.root == tmp_path / "pools" / f"text@{user_name()}"
    assert mine.key() != (tmp_path / "pools" / "text" / "key").read_text()
    assert (mine.root / "steps" / "asked").exists()
    assert PoolFolder(tmp_path, mine.root.name).root == mine.root  # as its replicas are started


def test_a_secret_of_its_engine_is_asked_for(tmp_path: Path) -> None:
    made = settings()
    of_another(tmp_path, made._replace(engine=replace(made.engine, env={"A": "abcdef", "API_KEY": "{key}"})))
    for path in (tmp_path / "pools" / "text").glob(".*.secret"):
        path.unlink()  # root could read it
    trust([OTHER.pw_name])
    with pytest.raises(InputError, match=r"engine\.env\.A: .*engine\.env_file=FILE"):
        _ = PoolFolder(tmp_path, "text").settings


def test_who_only_looks_sees_the_others_pool(tmp_path: Path) -> None:
    of_another(tmp_path, settings())
    with reading():
        folder = PoolFolder(tmp_path, "text")
        assert (folder.root.name, folder.settings.pool) == ("text", settings().pool)


def test_no_server_that_another_user_registered_gets_our_key(tmp_path: Path) -> None:
    folder = PoolFolder(tmp_path, "text")
    folder.configure(settings())
    folder.register(Replica("1", "http://evil:1", "tgi", "tgi", "m", None, 1, None, None, "n"))
    os.chown(folder.root / "replicas" / "1.json", OTHER.pw_uid, -1)
    with pytest.raises(UntrustedError, match=OTHER.pw_name):
        folder.replicas()
