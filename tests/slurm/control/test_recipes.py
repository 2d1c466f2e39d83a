"""Whole recipes on a real Slurm: swept over a threshold, a task killed, resumed, they give the same release."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.annotator import started
from support.pools import model_server
from support.recipes import finevideo, lvd2m, make_film, video_dataset_scripts
from support.runs import command, until
from support.slurm import ask
from support.web import Web

from slurm.control.survey import survey
from slurm.record.manifest import Step, steps


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "one.mp4")


def kill_task(run: Path, prefix: str) -> None:
    """Kills the first task of a step that has begun a chunk, with SIGKILL."""

    def begun() -> list[str]:
        found = [Step(run, name) for name in steps(run) if name.startswith(prefix)] if run.exists() else []
        return [
            window.job
            for step in found
            if [*step.paths.attempts.glob("*/*/*.jsonl")]
            for window in survey(step).windows
        ]

    until(begun, 120, every=0.1)
    job = begun()[0]
    task = ask("squeue", "-h", "-r", "-j", job, "-t", "RUNNING", "-o", "%i").split()[0]
    subprocess.run(["scancel", "--signal=KILL", "--full", task], check=True)


def release(run: Path, *packing: str) -> dict[str, bytes]:
    """All files of all points' releases, by these steps."""
    folders = sorted(folder for step in packing for folder in run.glob(f"{step}@*/media"))
    assert len(folders) == 2 * len(packing)
    return {
        str(file.relative_to(run)): file.read_bytes()
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file()
    }


def compare(folder: Path, words: list[str], killed: str, packing: Sequence[str] = ("package",)) -> None:
    """Runs both ways; the disturbed one must have lost a task and must give the bytes of the other."""
    # on Slurm a step is planned before its input is there: without a number it gets more chunks, each with a shard
    words = [*words, "chunks.n=2", "~stage@steps.report"]
    calm = command("stages", "-m", *words, "run=calm", f"runs={folder}", "cluster.executor=debug")
    assert calm.returncode == 0, calm.stdout + calm.stderr
    sent = command("stages", "-m", *words, "run=killed", f"runs={folder}", "cluster=devcluster")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    kill_task(folder / "killed", killed)
    watched = command("slurm", "watch", "run=killed", f"runs={folder}", "every=1")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    attempts = [
        len([*Step(folder / "killed", name).paths.attempts.glob("*/*/*.jsonl")])
        for name in steps(folder / "killed")
        if name.startswith(killed)
    ]
    assert max(attempts) > 1, "nothing was killed"
    assert release(folder / "killed", *packing) == release(folder / "calm", *packing)


def test_lvd2m_killed_and_resumed_gives_the_release_of_the_undisturbed_run(
    tmp_path: Path, film: Path, slurm: Path
) -> None:
    with Web(film.parent) as web, model_server("--delay-s", "0.7") as server:
        words = [*lvd2m(tmp_path, film, web, server), "steps.filter.rules.flow.min=0,1"]
        compare(tmp_path, words, "caption")


def test_finevideo_killed_and_resumed_gives_the_release_of_the_undisturbed_run(
    tmp_path: Path, film: Path, slurm: Path
) -> None:
    with model_server() as labeller, started("--delay-s", "0.7") as annotator:
        words = [*finevideo(tmp_path / "videos", film, labeller, annotator), "steps.balance.hours=0.0023,0.01"]
        compare(tmp_path, words, "describe")


def test_video_dataset_scripts_killed_and_resumed_gives_the_release_of_the_undisturbed_run(
    tmp_path: Path, film: Path, slurm: Path
) -> None:
    # more beams and tokens, so that there is time to kill it
    slow = ("steps.describe_frames.florence.max_tokens=200", "steps.describe_frames.batch=1")
    words = [*video_dataset_scripts(tmp_path, film), *slow, "steps.filter.rules.aesthetic.min=-99,-98"]
    compare(tmp_path, words, "describe_frames", ["clips", "trainer"])
