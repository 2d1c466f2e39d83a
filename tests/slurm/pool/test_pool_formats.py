"""A pool's files outlive the version that wrote them, or say which one it was; a sample of each format is kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pools import settings
from support.runs import command

from slurm.errors import InputError
from slurm.pool.launch import Launch, launches, set_up
from slurm.pool.registry import End, PoolFolder, Replica
from slurm.pool.wire import Call
from slurm.record.files import read_json, write_json

SAMPLES = Path(__file__).parent / "samples"
AT = 1795910400.25
REPLICA = Replica(
    job="1234",
    url="http://gpu01:8000",
    engine="tgi",
    dialect="tgi",
    model="test/model",
    revision="abc",
    max_concurrent_requests=8,
    max_input_tokens=4096,
    max_total_tokens=None,
    node="gpu01",
    expires=1795924800.0,
    beat=AT,
    queued=2,
)
READERS: dict[str, Callable[[PoolFolder], object]] = {
    "pool.json": lambda folder: folder.settings,
    "replicas/1234.json": PoolFolder.replicas,
    "ended/1233.0.json": PoolFolder.ends,
    "clients/node.1.json": PoolFolder.clients,
    "launches/0000/launch.json": launches,
    "launches/0000/job.json": launches,
    "warm/07397d633f25a710.json": PoolFolder.warm_requests,
    "begun.json": lambda folder: folder.last_start,
}


def kept(tmp_path: Path, number: int) -> PoolFolder:
    """A pool as a version of this record format left it."""
    folder = PoolFolder(tmp_path / "r", "text")
    shutil.copytree(SAMPLES / f"format_{number}", folder.root)
    return folder


def test_every_file_of_the_first_format_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = kept(tmp_path, 1)
    monkeypatch.setattr("time.time", lambda: AT + 1)
    assert (folder.settings.pool.model, folder.settings.pool.ports) == ("test/model", (20000, 29999))
    assert folder.replicas() == [REPLICA]
    assert folder.ends() == [End("1233", "failed", "CUDA out of memory", False, AT)]
    assert folder.clients() == {"node.1": AT}
    assert launches(folder) == [Launch("0000", "1234", AT)]
    assert folder.warm_requests() == [Call("/generate", {"inputs": "a"})]
    assert folder.last_start == AT


@pytest.mark.parametrize("file", READERS)
def test_a_file_of_before_formats_names_the_version_and_the_command(tmp_path: Path, file: str) -> None:
    folder = kept(tmp_path, 1)
    shutil.copy(SAMPLES / "format_0" / file, folder.root / file)
    words = f"{file} was made by .*0549889 or older.*scancel.*python -m slurm serve run=r pool=text$"
    with pytest.raises(InputError, match=words):
        READERS[file](folder)


@pytest.mark.parametrize("file", READERS)
def test_a_file_of_a_newer_version_is_refused(tmp_path: Path, file: str) -> None:
    folder = kept(tmp_path, 1)
    write_json(folder.root / file, {**read_json(folder.root / file), "format": 2})
    with pytest.raises(InputError, match=f"{file} was made by a newer Reelmill"):
        READERS[file](folder)


@pytest.mark.parametrize("file", READERS)
def test_fields_of_a_later_version_are_ignored(tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: AT + 1)
    folder, same = kept(tmp_path, 1), kept(tmp_path / "same", 1)
    write_json(folder.root / file, {**read_json(folder.root / file), "colour": "red"})
    assert READERS[file](folder) == READERS[file](same)


def test_fields_of_a_later_version_stay_when_the_pool_is_set_again(tmp_path: Path) -> None:
    folder = kept(tmp_path, 1)
    stored = read_json(folder.root / "pool.json")
    stored["pool"]["colour"] = stored["colour"] = "red"
    write_json(folder.root / "pool.json", stored)
    set_up(folder, settings("cluster=slurm", "pool.replicas=3"))
    stored = read_json(folder.root / "pool.json")
    assert (stored["pool"]["replicas"], stored["pool"]["colour"], stored["colour"]) == (3, "red", "red")


def test_a_pool_of_an_older_version_is_started_anew_under_the_same_key(tmp_path: Path) -> None:
    folder = kept(tmp_path, 0)
    (folder.root / "key").write_text("secret")
    told = command("slurm", "serve", f"runs={tmp_path}", "run=r", "pool=text", "status")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "0549889" in told.stderr
    new = settings("cluster=slurm", "pool.replicas=2")
    set_up(folder, new)
    assert PoolFolder(folder.run, "text").settings == new
    assert (folder.replicas(), folder.ends(), folder.clients(), launches(folder)) == ([], [], {}, [])
    assert (folder.key(), (folder.root / "steps" / "categorize").exists()) == ("secret", True)
