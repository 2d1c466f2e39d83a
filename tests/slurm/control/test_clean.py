"""What was replaced is moved out of every glob, freed by `clean`; `drop` removes steps that nobody reads."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support.runs import ROOT, ProbeRun, command, until
from support.steps import cluster, finish, made_step, plan

from slurm.control.clean import clean, drop
from slurm.control.resume import save_cluster
from slurm.errors import InputError
from slurm.record.manifest import Step, steps
from slurm.task.attempt import Attempt, Output
from slurm.task.commit import commit

TEXT = pl.String()
SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "rows": {"video_id": TEXT, "clip_path": TEXT, "error": TEXT, "error_detail": TEXT},
    "letters": {"video_id": TEXT},
}


def cut(run: Path) -> Step:
    """A step that writes a file for each row."""
    gives = {**plan().gives, "clip_path": "String"}
    return made_step(run, "cut", n=1, gives=gives, media="clip_path", tables={"letters": {"video_id": "String"}})


def attempt(step: Step, name: str, items: str) -> None:
    """Does the chunk's items and makes it done, as a task does."""
    old = step.done(0)
    made = Attempt(step, 0, name, SCHEMAS)
    made.event("start", job="7_0", restart=0, host="far", pid=1, node="far", log="", fingerprint=step.plan.fingerprint)
    made.old = old
    for item in items:
        file = step.paths.media / "ab" / f"{item}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        made.add(
            Output([item], {"rows": [{"video_id": item, "clip_path": str(file)}], "letters": [{"video_id": item}]}), 60
        )
    commit(made, pl.Series(list(items)), cluster(), media=step.paths.media)


def media(step: Step) -> list[str]:
    return sorted(file.name for file in step.paths.root.rglob("*.mp4"))


def test_parts_and_media_of_rows_that_are_no_more_are_moved_away(tmp_path: Path) -> None:
    step = cut(tmp_path / "r")
    attempt(step, "1_0_0", "abc")
    attempt(step, "2_0_0", "bd")
    assert media(step) == ["b.mp4", "d.mp4"]
    assert [file.name for file in step.paths.parts.rglob("*.parquet")] == ["000000.2_0_0.parquet"]
    assert [file.name for file in step.paths.tables.rglob("*.parquet")] == ["000000.2_0_0.parquet"]
    moved = sorted(file.name for file in step.paths.superseded.rglob("*") if file.is_file())
    assert moved == ["000000.1_0_0.parquet", "000000.1_0_0.parquet", "a.mp4", "c.mp4"]


def test_media_of_a_former_config_are_moved_away(tmp_path: Path) -> None:
    step = cut(tmp_path / "r")
    attempt(step, "1_0_0", "abc")
    step.supersede()
    step.create(plan(n=1, gives=plan().gives | {"clip_path": "String"}, media="clip_path", identity={"level": 2}))
    assert media(step) == []
    attempt(step, "2_0_0", "b")
    assert media(step) == ["b.mp4"]


def test_clean_frees_what_was_replaced_and_what_killed_attempts_left(tmp_path: Path) -> None:
    step = cut(tmp_path / "r")
    attempt(step, "1_0_0", "ab")
    attempt(step, "2_0_0", "a")
    (step.paths.media / "orphan.mp4").write_text("of a killed attempt")
    lost = step.paths.part("000/000000.3_0_0.parquet")
    lost.write_bytes(b"of one that died before its record")
    torn = [path.with_name(f".{path.name}.node.1.abc.tmp") for path in (lost, step.paths.done(0))]
    for path in torn:
        path.write_bytes(b"of one that was killed while it wrote")
    kept = step.scan()
    assert kept is not None
    before = kept.collect()
    freed = clean(tmp_path / "r")
    assert freed["cut"] > len("of a killed attempt") + len("of one that died before its record")
    assert media(step) == ["a.mp4"]
    assert not step.paths.superseded.exists()
    assert not any(path.exists() for path in (lost, *torn))
    after = step.scan()
    assert after is not None
    assert after.collect().equals(before)
    assert clean(tmp_path / "r") == {}


def test_an_attempt_at_a_step_that_was_planned_anew_leaves_nothing(tmp_path: Path) -> None:
    step, late = cut(tmp_path / "r"), Step(tmp_path / "r", "cut")
    assert late.plan.n == 1
    step.supersede()
    step.create(plan(n=1, identity={"level": 2}))
    with pytest.raises(Exception, match="planned anew"):
        attempt(late, "1_0_0", "a")
    assert step.done(0) is None


def test_a_step_that_another_one_reads_is_not_dropped_unless_with_it(tmp_path: Path) -> None:
    run = tmp_path / "r"
    for name, inputs in {"source": [], "clips": ["source"], "last": ["clips"], "side": ["source"]}.items():
        step = made_step(run, name, n=1, inputs=inputs)
        save_cluster(step, cluster(executor="local"))
        finish(step, 0, pl.DataFrame({"video_id": ["a"], "error": [None], "error_detail": [None]}))
    with pytest.raises(InputError, match=r"last would have lost what they read: keep it, or drop step=clips,last"):
        drop(run, ["clips"])
    assert steps(run) == ["source", "clips", "side", "last"]
    told = drop(run, ["clips", "last"])
    assert [line.partition(":")[0] for line in told] == ["last", "clips"]
    assert "1 chunks, 1 rows" in told[0]
    assert steps(run) == ["source", "side"]


def test_a_dropped_step_is_computed_anew_by_the_command_that_made_it(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 2, "cluster.executor=debug")
    run.submit()
    done = command("slurm", "drop", "run=r", f"runs={run.runs}", "step=probe")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("probe: dropped 1 chunks, 2 rows")
    assert not Step(run.run, "probe").exists
    assert not (run.run / "tables" / "probe").exists()
    run.submit()
    assert run.table().equals(run.expected())


def test_a_done_chunk_has_four_files_beside_its_side_tables(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 6, "cluster.executor=local", "cluster.parallel=3", "chunks.size=2", "items.workers=1")
    assert run.submit() == 0
    of_chunks = [run.step.paths.attempts, run.step.paths.partial, run.step.paths.parts, run.step.paths.dones]
    files = [file for folder in (*of_chunks, run.step.paths.logs) for file in folder.rglob("*") if file.is_file()]
    chunks = [file for file in files if not file.name.startswith("tasks-")]  # one record for all tasks of an array
    assert len(chunks) <= 4 * 3, files
    assert len(files) == len(chunks) + 1


def test_a_clip_that_another_chunk_wrote_since_is_not_moved_away(tmp_path: Path) -> None:
    step = cut(tmp_path / "r")
    attempt(step, "1_0_0", "ab")
    old = step.done(0)
    assert old is not None
    (step.paths.media / "ab" / "b.mp4").write_text("by another chunk, to which the row belongs now")
    later = old.ended + 5
    os.utime(step.paths.media / "ab" / "b.mp4", (later, later))
    attempt(step, "2_0_0", "a")
    assert media(step) == ["a.mp4", "b.mp4"]


def test_nothing_of_a_step_is_cleaned_or_dropped_while_its_tasks_may_run(tmp_path: Path) -> None:
    run = ProbeRun(tmp_path, 1, "cluster.executor=local", "chunks.n=1", seconds=30.0)
    submit = f"from support.runs import ProbeRun; from pathlib import Path; ProbeRun(Path({str(tmp_path)!r}), 1, "
    submit += "'cluster.executor=local', 'chunks.n=1', seconds=30.0).submit()"
    with subprocess.Popen([sys.executable, "-c", submit], cwd=ROOT, stdout=subprocess.DEVNULL) as task:
        until(run.begun, 60)
        part = run.step.paths.part("000/000000.other.parquet")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"of an attempt that has not written its record yet")
        clean(run.run)
        assert part.exists()
        with pytest.raises(InputError, match="tasks under way"):
            drop(run.run, ["probe"])
        task.terminate()
