"""A pool of a server that stands already, and is moved to another one."""

from dataclasses import replace
from pathlib import Path

from support.pools import model_server, settings

from slurm.pool.engine import Remote
from slurm.pool.launch import ensure, set_up
from slurm.pool.registry import PoolFolder


def known(folder: PoolFolder, server: Remote, **pool: str) -> list[str]:
    """The servers that clients know after the pool was set up with this one."""
    words = settings("engine=endpoint", f"engine.url={server.url}", "engine.dialect=tgi", **pool)
    set_up(folder, words._replace(engine=replace(words.engine)))
    folder.allow_starts()
    folder.add_step("asks")
    ensure(folder)
    return [replica.url for replica in folder.replicas()]


def test_another_address_takes_the_place_of_the_one_before_whatever_it_serves(tmp_path: Path) -> None:
    folder = PoolFolder(tmp_path / "r", "text")
    with model_server() as first, model_server("--model-id", "org/another") as second:
        assert known(folder, first) == [first.url]
        assert known(folder, second, model="org/another") == [second.url]
