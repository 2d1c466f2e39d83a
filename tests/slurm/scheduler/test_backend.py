"""Where tasks run: what each place does with an array of them."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from support.noted import meet, note
from support.runs import until
from support.steps import cluster

from slurm.errors import ClusterError, InputError
from slurm.scheduler.array import Array
from slurm.scheduler.backend import BACKENDS, backend
from slurm.scheduler.cluster import Container
from slurm.scheduler.local import processes
from slurm.scheduler.signals import Stop


def array(folder: Path, *names: str, parallel: int = 1) -> Array:
    return Array(note, [str(folder / name) for name in names], folder / "logs", "made", parallel)


def words(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().split()


@pytest.mark.parametrize("executor", ["local", "debug"])
def test_tasks_that_run_here_have_all_ended_when_they_are_sent(tmp_path: Path, executor: str) -> None:
    place = backend(cluster(executor=executor, env={"REELMILL_TEST": "set"}))
    assert not place.submits
    assert place.array_size(5000) == 5000
    assert place.send(array(tmp_path, "a", "bad", "c")) == "local"
    told = [words(tmp_path, name) for name in ("a", "bad", "c")]
    assert {process == str(os.getpid()) for process, *_ in told} == {executor == "debug"}
    assert [environment for *_, environment in told] == ["set"] * 3
    assert all(float(before[2]) <= float(after[1]) for before, after in pairwise(told))
    os.environ.pop("REELMILL_TEST", None)


def test_local_tasks_run_side_by_side_and_show_how_far_they_are(tmp_path: Path) -> None:
    shown: list[int] = []

    @contextmanager
    def watch() -> Iterator[Callable[[], None]]:
        yield lambda: shown.append(len(list(tmp_path.glob("[abc]"))))
        shown.append(-1)

    met = array(tmp_path, "a", "b", "c", parallel=3)._replace(function=meet)
    backend(cluster(executor="local")).send(met, watch)
    assert [words(tmp_path, name) for name in "abc"] == [["met"]] * 3
    assert shown[-2:] == [3, -1]
    assert shown == [*sorted(shown[:-1]), -1]


@pytest.mark.parametrize("executor", ["local", "debug"])
def test_where_tasks_run_here_there_is_no_queue(tmp_path: Path, executor: str) -> None:
    place = backend(cluster(executor=executor))
    place.check(tmp_path / "nowhere")
    place.cancel(["1"])
    assert (place.queued(["1"]), place.ended(["1"]), place.find("made")) == ([], {}, None)
    assert place.script(tmp_path, 3) == ""


def test_a_slurm_script_bears_what_the_settings_say(tmp_path: Path) -> None:
    settings = cluster(
        partition="gpu", gpus=2, mem_gb=1.5, parallel=7, extra={"reservation": "R"}, setup=["module load x"]
    )
    script = backend(settings).script(tmp_path, 40)
    for option in ("partition=gpu", "gpus-per-node=2", "mem=1536M", "array=0-39%7", "reservation=R", "requeue"):
        assert f"#SBATCH --{option}\n" in script
    assert "\nmodule load x\n" in script
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_slurm_it_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=re.escape("sbatch is not on PATH): say cluster=local")):
        backend(cluster(env={"PATH": str(tmp_path)})).check(tmp_path)


def test_a_container_without_an_image_is_refused(tmp_path: Path) -> None:
    for command in ("sbatch", "srun"):
        (tmp_path / command).touch(0o755)
    container: dict[str, object] = {"runtime": "apptainer", "image": None, "mounts": []}
    with pytest.raises(InputError, match=r"runtime=apptainer needs cluster\.container\.image"):
        backend(cluster(container=container, env={"PATH": str(tmp_path)})).check(tmp_path)


def test_slurm_that_does_not_answer_is_not_taken_for_an_empty_queue(tmp_path: Path) -> None:
    place = backend(cluster(max_array_size=77, env={"PATH": str(tmp_path)}))
    assert (place.queued(["1"]), place.ended(["1"]), place.find("made")) == (None, None, "")
    assert place.array_size(5000) == 77


def test_every_executor_of_the_settings_has_a_backend() -> None:
    assert {name: backend(cluster(executor=name)).submits for name in BACKENDS} == {
        "slurm": True,
        "local": False,
        "debug": False,
    }


def test_processes_live_as_long_as_they_are_wanted(tmp_path: Path) -> None:
    with processes(cluster(executor="local"), sleep, [str(tmp_path / "a"), str(tmp_path / "b")], tmp_path / "logs"):
        until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists(), 60)
        running = [int((tmp_path / name).read_text()) for name in "ab"]
        assert all(runs(process) for process in running)
    until(lambda: not any(runs(process) for process in running), 10)
    assert [(tmp_path / f"{name}.end").read_text() for name in "ab"] == ["SIGINT"] * 2


def runs(process: int) -> bool:
    """Whether it lives; one that is dead and waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sleep(path: str) -> None:
    Path(path).with_suffix(".new").write_text(str(os.getpid()))
    with Stop() as stop:  # as a task has it, which alone takes notice of an interrupt
        Path(path).with_suffix(".new").rename(path)
        until(lambda: stop.asked, 300)
    Path(path).with_suffix(".end").write_text(stop.reason)


@pytest.mark.parametrize("executor", ["local", "debug", "slurm"])
@pytest.mark.parametrize("name", ["50%", "5%j", "%t"])
def test_a_place_whose_name_would_be_replaced_in_a_logs_path_is_refused(
    tmp_path: Path, executor: str, name: str
) -> None:
    place = backend(cluster(executor=executor))
    with pytest.raises(ClusterError, match=f"{name}.*runs=DIR, run=NAME"):
        place.check(tmp_path / name / "r" / "s")
    if executor != "debug":
        with pytest.raises(ClusterError, match=name):  # of a run that was moved there
            place.send(array(tmp_path / name, "a"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a\\b", "a\nb"])
def test_a_place_that_sbatch_would_read_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClusterError, match="choose another place"):
        backend(cluster(executor="slurm")).check(tmp_path / name / "r" / "s")


@pytest.mark.parametrize("runtime", ["pyxis", "apptainer"])
def test_a_task_in_a_container_runs_the_images_own_python(tmp_path: Path, runtime: str) -> None:
    container = Container(runtime, "/i/reelmill.sif", ["/shared:/shared"])  # type: ignore[arg-type]
    script = backend(cluster(executor="slurm", container=container)).script(tmp_path, 2)
    (line,) = (line for line in script.splitlines() if line.startswith("srun"))
    assert sys.executable not in line
    assert {"pyxis": "sh python -u", "apptainer": "--bind /shared:/shared /i/reelmill.sif python -u"}[runtime] in line
