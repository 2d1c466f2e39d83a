"""A pool's files: who is there, who was, who uses it, and what it takes to be let in."""

import threading
import time
from pathlib import Path

import pytest
from support.pools import model_server, settings
from support.runs import command

from slurm.errors import InputError
from slurm.pool.launch import IN_VAIN, ensure, hopeless
from slurm.pool.registry import STALE_S, End, PoolFolder, Replica
from slurm.pool.wire import Call


def pool(tmp_path: Path, *words: str) -> PoolFolder:
    folder = PoolFolder(tmp_path / "runs" / "r", "text")
    folder.configure(settings(*words))
    folder.allow_starts()
    return folder


def replica(job: str, **more: object) -> Replica:
    made = Replica(job, f"http://{job}:1", "tgi", "tgi", "m", "abc", 8, None, None, "node", beat=time.time())
    return made._replace(**more)  # type: ignore[arg-type]


def test_only_a_job_has_the_pools_time_limit(tmp_path: Path) -> None:
    here = settings("cluster=local", "pool.minutes=60")
    assert here.site().minutes == here.cluster.minutes > 60
    assert settings("cluster=slurm", "pool.minutes=60").site().minutes == 60


def test_a_server_of_somebody_elses_is_let_in_unless_the_pool_was_stopped(tmp_path: Path) -> None:
    with model_server() as server:
        folder = pool(tmp_path, "engine=endpoint", "engine.dialect=tgi", f"engine.url={server.url}")
        folder.stop()
        assert ensure(folder) == []
        assert folder.replicas() == []
        folder.allow_starts()
        assert ensure(folder) == []
        assert [replica.url for replica in folder.replicas()] == [server.url]


def test_who_was_not_heard_of_for_a_while_is_gone(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    folder.register(replica("alive"))
    folder.register(replica("dead", beat=time.time() - STALE_S - 1))
    folder.register(replica("fixed", beat=None))
    assert [found.job for found in folder.replicas()] == ["alive", "fixed"]
    folder.unregister("alive")
    assert [found.job for found in folder.replicas()] == ["fixed"]


def test_the_key_is_one_for_all_and_nobody_elses_to_read(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    found: list[str] = []
    together = [threading.Thread(target=lambda: found.append(folder.key())) for _ in range(16)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert found == [PoolFolder(folder.run, "text").key()] * 16
    assert len(folder.key()) > 30
    assert (folder.root / "key").stat().st_mode & 0o777 == 0o600
    assert folder.key() not in (folder.root / "pool.json").read_text()


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder = pool(tmp_path, "engine=tgi", "cluster=slurm", "pool.gpus=2", "pool.partition=gpu")
    again = PoolFolder(folder.run, "text").settings
    assert again == folder.settings
    assert (again.site().gpus, again.site().partition, again.site().minutes) == (2, "gpu", again.pool.minutes)
    with pytest.raises(InputError, match="has no pool 'other'; it has: text"):
        _ = PoolFolder(folder.run, "other").settings


def test_no_more_are_started_where_none_ever_answered(tmp_path: Path) -> None:
    folder = pool(tmp_path, "cluster=slurm")
    for number in range(IN_VAIN):
        assert not hopeless(folder)
        folder.record_end(End(f"job{number}", "failed", "no such model", was_ready=False, at=time.time()))
    assert hopeless(folder) == "no such model"
    assert ensure(folder) == []
    folder.allow_starts()
    assert not hopeless(folder), "somebody said that it shall try again"
    folder.record_end(End("x", "failed", "broke down", was_ready=True, at=time.time()))
    folder.record_end(End("y", "failed", "no such model", was_ready=False, at=time.time()))
    assert not hopeless(folder)


def test_a_pool_is_over_when_all_who_use_it_are(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    assert not folder.finished(), "nobody said yet who uses it"
    folder.add_step("categorize")
    assert not folder.finished()


def test_clients_are_known_by_their_beats(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    folder.beat_client("node.1")
    assert time.time() - folder.clients()["node.1"] < 5
    folder.remove_client("node.1")
    assert folder.clients() == {}


def test_requests_to_be_warmed_up_are_kept_once(tmp_path: Path) -> None:
    folder = pool(tmp_path)
    for _ in range(2):
        folder.warm("one of two words", Call("/generate", {"inputs": "a"}))
    folder.warm("one of three words", Call("/generate", {"inputs": "b"}))
    assert sorted(call.body["inputs"] for call in folder.warm_requests()) == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say which pool of which run"),
        (["run=r", "pool=text", "status"], "has no pool 'text'"),
        (["run=r", "pool=text", "stop"], "has no pool 'text'"),
        (["run=r", "pool=none"], "pool/none"),
        (["run=r", "pool=text", "pool.replicas=many"], "pool.replicas"),
        (["run=r", "pool=text", "pool.minutes=1"], "lead_minutes"),
        (["run=r", "pool=text", "engine=endpoint"], "engine.url"),
        (["run=r", "pool=text", "pool.mem=3"], "mem"),
    ],
)
def test_what_cannot_be_served_says_why(tmp_path: Path, words: list[str], told: str) -> None:
    done = command("slurm", "serve", f"runs={tmp_path}", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
