"""Points of a sweep share tasks: local processes, and the array tasks of programs that stand in for Slurm's."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from support.outside import call, write_files
from support.runs import command
from support.steps import cluster, made_step
from support.told import Told

from slurm.control.resume import batches
from slurm.control.submit import RacedError, freeze, load_windows, named_by, submissions
from slurm.control.survey import survey
from slurm.record.formats import write_record
from slurm.record.manifest import Step, steps
from slurm.record.submission import Jobs

SECONDS = [1.0, 5.0, 10.0, 3600.0]
WORDS = ("after=ingest", "~rules.frozen", "~rules.luma", "rules.motion.column=duration_s", "chunks.size=2")
# one array job after another: its script is kept, with the number of its elements
SBATCH = """#!/bin/sh
case "$*" in *--test-only*) cat > /dev/null; exit 0;; esac
n=$(ls {folder}/jobs | wc -l); cp "$1" {folder}/jobs/$n; echo "Submitted batch job $((700 + n))"
"""


ODD = {
    "code/mystages/__init__.py": "",
    "code/mystages/odd.py": '''
"""A stage that fails at one level."""

from pydantic.dataclasses import dataclass

from stages.core.command_line.start import main
from stages.core.runner.stage import Stage


@dataclass(frozen=True)
class Config:
    level: int


def run(rows, config):
    if config.level == 2:
        raise RuntimeError("level 2 is odd")
    yield from rows.whole({"rows": rows.table.select(rows.keys)})


STAGE = Stage(name="mystages.odd", kind="map", config=Config, run=run, gives={}, needs=("path",))

if __name__ == "__main__":
    main(STAGE)
''',
    "conf/stage/odd.yaml": "# python -m mystages.odd run=NAME\ndefaults: [/common, _self_]\nstage: mystages.odd\n"
    "after: ingest\nlevel: 1\n",
}


def catalogue(folder: Path, run: str = "r") -> Path:
    """A run with four videos of known lengths."""
    folder.mkdir(exist_ok=True)
    table = pl.DataFrame({"path": [f"{n}.mp4" for n in range(4)], "duration_s": SECONDS, "title": list("abcd")})
    table.write_csv(folder / "videos.csv")
    source = command("stages.ingest", f"run={run}", f"runs={folder}", f"input.path={folder / 'videos.csv'}")
    assert source.returncode == 0, source.stderr
    return folder / run


def sweep(folder: Path, *more: str, values: str = "0,2,7,20,5000") -> subprocess.CompletedProcess[str]:
    return command("stages.filter", "-m", "run=r", f"runs={folder}", *WORDS, f"rules.motion.min={values}", *more)


def points(run: Path) -> list[Step]:
    return [Step(run, name) for name in steps(run) if "@" in name]


def starts(step: Step) -> list[dict[str, object]]:
    """The first event of each attempt at a step's chunks."""
    files = sorted((step.paths.root / "attempts").glob("*/*/*.jsonl"))
    return [json.loads(file.read_text().splitlines()[0]) for file in files]


def test_points_share_processes_and_each_has_its_own_records(tmp_path: Path) -> None:
    run = catalogue(tmp_path)
    done = sweep(tmp_path, "cluster.cpus=2")
    assert done.returncode == 0, done.stderr
    found = points(run)
    assert [step.complete() for step in found] == [True] * 5
    assert len({start["pid"] for step in found for start in starts(step)}) == 2
    assert [len(starts(step)) for step in found] == [2] * 5
    assert [sum(d.rows_kept for d in step.all_done()) for step in found] == [4, 3, 1, 0, 2]  # min=0, 2, 20, 5000, 7
    together = {tuple(step.submission("0000").together) for step in found}
    assert [sorted(name for name, _ in one) for one in together] == [sorted(step.name for step in found)]
    assert {done.cpus for step in found for done in step.all_done()} == {1}  # two processes share two cores


def test_a_point_that_fails_costs_no_other(tmp_path: Path) -> None:
    run = catalogue(tmp_path / "runs")
    write_files(tmp_path, ODD)
    done = call(tmp_path, "mystages.odd", "-m", "run=r", "level=1,2,3", "chunks.size=2", "cluster.cpus=1")
    assert done.returncode == 1
    assert "odd@level=2: 0/2 chunks done" in done.stdout
    assert "RuntimeError: level 2 is odd" in done.stdout
    table = pl.read_parquet(run / "sweeps" / "odd" / "points.parquet")
    assert table.select("complete", "rows_kept").rows() == [(True, 4), (False, 0), (True, 4)]
    assert "not done" in done.stdout


def test_a_value_more_computes_that_point_alone(tmp_path: Path) -> None:
    run = catalogue(tmp_path)
    sweep(tmp_path, values="0,7")
    before = {step.name: starts(step) for step in points(run)}
    assert sweep(tmp_path, values="0,7,20").returncode == 0
    after = {step.name: starts(step) for step in points(run)}
    assert {name: after[name] for name in before} == before
    assert [len(made) for name, made in after.items() if name not in before] == [2]
    table = pl.read_parquet(run / "sweeps" / "filter" / "points.parquet")
    assert table["rules.motion.min"].to_list() == ["0", "7", "20"]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Programs by the names of Slurm's, which take every job and never run one."""
    folder = tmp_path / "bin"
    (folder / "jobs").mkdir(parents=True)
    said = {"sbatch": SBATCH.format(folder=folder), "scontrol": "#!/bin/sh\necho 'MaxArraySize = 1001'\n"}
    for name in ("sbatch", "srun", "squeue", "sacct", "scontrol", "sinfo"):
        (folder / name).write_text(said.get(name, "#!/bin/sh\n"))
        (folder / name).chmod(0o755)
    return folder


def test_on_a_cluster_so_many_points_share_an_array_as_chunks_points_says(tmp_path: Path, programs: Path) -> None:
    run = catalogue(tmp_path)
    path = f"{programs}:{os.environ['PATH']}"
    done = sweep(tmp_path, "cluster=slurm", f"++cluster.env.PATH={path}", "chunks.points=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("submitted (job ") == 5
    scripts = [file.read_text() for file in sorted((programs / "jobs").iterdir())]
    assert len(scripts) == 3  # 2 + 2 + 1 points
    assert all("array=0-1%" in script for script in scripts)  # an element a chunk
    jobs = [load_windows(step, "0000")[0] for step in points(run)]
    assert sorted(window.job for window in jobs) == ["700", "700", "701", "701", "702"]
    assert [window.tasks for window in jobs] == [[[0], [1]]] * 5
    # what an element does is what the record says: it has its chunk of both points
    first = [step for step, window in zip(points(run), jobs, strict=True) if window.job == "700"]
    place, name = named_by(first[1], "0000")
    (record,) = [file for file in place.paths.log_folder(name).glob("*.json") if file.stem in scripts[0]]
    slurm = {"SUBMITIT_EXECUTOR": "slurm", "SLURM_ARRAY_JOB_ID": "700", "SLURM_ARRAY_TASK_ID": "1"}
    env = {**os.environ, "PATH": path, **slurm, "SLURM_JOB_END_TIME": str(int(time.time() + 3600))}
    subprocess.run([sys.executable, "-m", "slurm.scheduler.begin", record, "022"], env=env, check=True)
    assert [[d.chunk for d in step.all_done()] for step in first] == [[1], [1]]
    assert [[past["job"] for past in starts(step)] for step in first] == [["700_1"], ["700_1"]]


def test_a_submission_writes_no_more_files_for_more_tasks(tmp_path: Path, programs: Path) -> None:
    run = catalogue(tmp_path)
    path = f"{programs}:{os.environ['PATH']}"
    files = []
    for size in (1, 2):
        words = [f"step=of{size}", "cluster=slurm", f"++cluster.env.PATH={path}", *WORDS[:-1], f"chunks.size={size}"]
        done = command("stages.filter", "run=r", f"runs={tmp_path}", *words)
        assert done.returncode == 0, done.stderr
        assert (
            sum(len(tasks) for window in load_windows(Step(run, f"of{size}"), "0000") for tasks in window.tasks)
            == 4 // size
        )
        files.append(len([*(run / f"of{size}").rglob("*")]))
    assert files[0] == files[1] <= 20


def test_a_point_that_was_dropped_costs_no_other(tmp_path: Path) -> None:
    run = catalogue(tmp_path)
    sweep(tmp_path, values="0,7")
    dropped, other = points(run)
    dropped.paths.root.rename(tmp_path / "away")
    for done in other.paths.dones.rglob("*.json"):
        done.unlink()
    specs = [[str(run), step.name, "0000", 0] for step in (dropped, other)]
    code = f"from slurm.task.task import Spec, run_tasks; run_tasks([Spec(*spec) for spec in {specs}])"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert other.complete()
    assert not dropped.paths.root.exists()


def shared(told: Told) -> Step:
    """Another step whose chunk the tasks of job 7 do, after that of the first one."""
    other = made_step(told.step.run, "other", n=1, identity={"stage": "other"})
    together = [("made", "0001"), ("other", "0000")]
    for step, seen in ((told.step, 1), (other, 0)):
        name = freeze(step, [[0]], cluster(), seen=seen, size=9, why={}, together=together)
        write_record(step.paths.jobs(name), Jobs([("8", 0, 1)]))
    return other


def test_what_a_task_did_not_come_to_is_no_attempt_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = Told(tmp_path, [0])
    other = shared(told)
    told.tried(0, "8_0_0", None, ago_s=60)
    now = int(time.time())
    told.say("sacct", f"8_0|OUT_OF_MEMORY|0:125|n1|{now - 100}|{now - 50}|{now - 200}")
    told.say("sacct", f"8|OUT_OF_MEMORY|0:125|n1|{now - 100}|{now - 50}|{now - 200}", more=True)
    assert told.causes(0) == ["out_of_memory"]
    assert (survey(other).past, survey(other).state(0)) == ({}, "pending")


def test_a_task_that_is_at_another_point_for_long_is_not_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = Told(tmp_path, [0])
    other = shared(told)
    began = int(time.time()) - 7200
    told.say("squeue", f"8_0|RUNNING|{began}|None")
    told.tried(0, "8_0_0", None, ago_s=10)
    assert (survey(other).active, survey(other).held) == ({0: "RUNNING"}, {})
    told.tried(0, "8_0_0", None, ago_s=400)
    assert [held.reason for held in survey(other).held.values()] == ["no sign of life"]


def test_submissions_are_frozen_for_all_points_or_for_none(tmp_path: Path) -> None:
    from slurm.control.submit import Order, freeze_all

    one, two = (made_step(tmp_path / "r", name, n=1) for name in ("s@a=1", "s@a=2"))
    freeze(two, [[0]], cluster(), seen=0, size=1, why={})
    orders = [Order(step, [[0]], lambda tasks: None, 0, {}) for step in (one, two)]
    with pytest.raises(RacedError):
        freeze_all(orders, cluster(), 1)
    assert (submissions(one), submissions(two)) == ([], ["0000"])


def test_points_of_a_step_are_a_batch_unless_one_reads_another_or_they_are_heavy(tmp_path: Path) -> None:
    given = {
        "a": ([], 16),
        **{"f@x=1": (["a"], 16), "f@x=2": (["a"], 16), "g@x=1": (["f@x=1"], 16), "g@x=2": (["g@x=1"], 16)},
        **{"h@x=1": (["a"], 1), "h@x=2": (["a"], 1)},
    }
    made = {
        name: made_step(tmp_path / "r", name, inputs=inputs, points=points).plan
        for name, (inputs, points) in given.items()
    }
    names = [["a"], ["f@x=1", "f@x=2"], ["g@x=1"], ["g@x=2"], ["h@x=1"], ["h@x=2"]]
    assert batches(list(made), made.__getitem__) == names
