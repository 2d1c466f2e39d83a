"""The manifest: a chunk is done when its record names a part that is there and bears the step's fingerprint."""

from pathlib import Path

import polars as pl
import pytest
from support.steps import cluster, finish, made_step, plan

from slurm.control.resume import load_cluster, save_cluster
from slurm.control.submit import close, freeze
from slurm.control.survey import survey
from slurm.errors import InputError
from slurm.record.chunks import borders_of
from slurm.record.files import names
from slurm.record.formats import DamagedError
from slurm.record.lineage import Reach, scan_reach
from slurm.record.manifest import Step, steps
from slurm.record.plan import Plan, differences, fingerprint

TEXT = pl.String()


def rows(*ids: str) -> pl.DataFrame:
    empty = pl.lit(None, TEXT)
    return pl.DataFrame({"video_id": ids}, {"video_id": TEXT}).with_columns(
        value=empty, error=empty, error_detail=empty
    )


def other(level: int = 2) -> Plan:
    return plan(identity={"stage": "made", "config.level": level})


def test_a_finished_chunk_is_done_and_its_rows_are_read(tmp_path: Path) -> None:
    step = made_step(tmp_path)
    done = finish(step, 2, rows("a", "b"))
    assert step.done(2) == done
    assert [step.done(chunk) for chunk in (0, 1, 3)] == [None] * 3
    assert step.kept().collect()["video_id"].to_list() == ["a", "b"]


def test_a_record_without_its_part_does_not_count(tmp_path: Path) -> None:
    step = made_step(tmp_path)
    step.paths.part(finish(step, 0, rows("a")).part).unlink()
    finish(step, 1, rows("b"))
    assert step.done(0) is None
    assert [done.chunk for done in step.all_done()] == [1]
    assert survey(step).state(0) == "stale"


def test_a_part_without_its_record_does_not_count(tmp_path: Path) -> None:
    step = made_step(tmp_path)
    finish(step, 0, rows("a"))
    step.paths.done(0).unlink()
    assert step.done(0) is None
    assert step.scan() is None


def test_a_chunk_of_another_fingerprint_is_stale(tmp_path: Path) -> None:
    step = made_step(tmp_path)
    finish(step, 0, rows("a"))
    step.supersede()
    step.create(other())
    finish(step, 1, rows("b"))
    assert step.done(0) is None
    found = survey(step)
    assert [found.state(chunk) for chunk in range(4)] == ["stale", "done", "pending", "pending"]
    assert found.counts() == {"stale": 1, "done": 1, "pending": 2, "active": 0, "failed": 0, "lost": 0}
    assert step.kept().collect()["video_id"].to_list() == ["b"]


def test_a_step_with_another_config_is_refused_and_the_difference_shown(tmp_path: Path) -> None:
    made_step(tmp_path / "run")
    with pytest.raises(InputError, match=r"run/made .*\n  config\.level: 1 → 2\n.*overwrite=made"):
        Step(tmp_path / "run", "made").create(other())
    assert Step(tmp_path / "run", "made").plan.identity["config.level"] == 1


def test_the_same_config_again_keeps_the_plan_that_stands(tmp_path: Path) -> None:
    made_step(tmp_path, n=4)
    assert Step(tmp_path, "made").create(plan(n=9)).n == 4


def test_a_superseded_plan_stays_beside_the_new_one(tmp_path: Path) -> None:
    step = made_step(tmp_path)
    step.supersede()
    step.create(other())
    old = step.former_plan(plan().fingerprint)
    assert old is not None
    assert differences(old.identity, step.plan.identity) == ["config.level: 1 → 2"]


def test_fingerprints_depend_on_values_and_not_on_order() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1, "b": [1, 2]}) != fingerprint({"a": 1, "b": [2, 1]})
    assert differences({"a": 1, "same": 0}, {"b": 2, "same": 0}) == ["a: 1 → '(absent)'", "b: '(absent)' → 2"]


def test_a_value_of_none_differs_from_an_absent_one() -> None:
    assert differences({"a": None}, {}) == ["a: None → '(absent)'"]


def test_chunks_are_read_in_order_over_buckets(tmp_path: Path) -> None:
    step = made_step(tmp_path, n=12_346)
    for chunk in (12_345, 5, 1005, 999):
        finish(step, chunk, rows(str(chunk)))
    assert names(step.paths.dones) == ["000", "001", "012"]
    assert [done.chunk for done in step.records()] == [5, 999, 1005, 12_345]
    assert step.kept().collect()["video_id"].to_list() == ["5", "999", "1005", "12345"]


DAMAGE = [
    "",
    '{"chunk": 1, "fing',
    "null",
    "[]",
    "{}",
    '{"format": 1}',
    "1,2",
    "}{",
    '{"format": 1, "chunk": 7}',
    "\x00",
]


@pytest.mark.parametrize("content", DAMAGE)
def test_a_record_that_cannot_be_read_costs_its_chunk_only(tmp_path: Path, content: str) -> None:
    step = made_step(tmp_path)
    for chunk in (0, 1, 2):
        finish(step, chunk, rows(str(chunk)))
    step.paths.done(1).write_text(content)
    (step.paths.dones / "000" / "notes.txt").write_text("not ours")
    assert [done.chunk for done in step.all_done()] == [0, 2]
    assert step.done(1) is None
    found = survey(step)
    assert found.broken == {1: "made/done/000/000001.json is damaged"}
    assert [found.state(chunk) for chunk in range(4)] == ["done", "stale", "done", "pending"]
    finish(step, 1, rows("1"), attempt="2_0_0")
    assert survey(step).counts()["done"] == 3


@pytest.mark.parametrize("content", [None, "", '{"tasks": [[0]], "clu', "null"])
@pytest.mark.parametrize("name", ["submission.json", "jobs.json", "cluster.json"])
def test_a_record_of_a_submission_that_is_gone_or_damaged_costs_no_chunk(
    tmp_path: Path, name: str, content: str | None
) -> None:
    step = made_step(tmp_path / "run")
    where = cluster(mem_gb=3)
    save_cluster(step, where)
    close(step, freeze(step, [[0], [1]], where, seen=0, size=2, why={}))
    finish(step, 2, rows("a"))
    path = step.paths.cluster if name == "cluster.json" else step.paths.submissions / "0000" / name
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    found = survey(Step(step.run, step.name))
    assert (found.submissions, found.counts()["done"], found.counts()["active"]) == (1, 1, 0)
    if name != "submission.json":
        assert load_cluster(Step(step.run, step.name)).mem_gb == 3


def test_a_step_whose_plan_is_damaged_says_what_mends_it(tmp_path: Path) -> None:
    step = made_step(tmp_path / "run")
    finish(step, 0, rows("a"))
    step.paths.plan.write_text('{"stage": ')
    with pytest.raises(DamagedError, match=r"run/made/step\.json is damaged.*; remove it and give the command"):
        survey(Step(step.run, step.name))
    step.paths.plan.unlink()
    assert survey(made_step(tmp_path / "run")).counts()["done"] == 1


def test_a_chunk_of_which_a_file_is_gone_is_stale_and_the_file_is_named(tmp_path: Path) -> None:
    step = made_step(tmp_path / "run", tables={"shots": {"video_id": "String"}})
    for chunk in range(4):
        finish(step, chunk, rows(str(chunk)), shots=pl.DataFrame({"video_id": ["a"]}))
    step.paths.part("000/000000.1_0_0.parquet", "shots").unlink()
    step.paths.part("000/000001.1_0_0.parquet").unlink()
    torn = step.paths.part("000/000003.1_0_0.parquet", "shots")
    torn.write_bytes(torn.read_bytes()[:100])
    size = step.all_done()[-1].sizes[1]  # type: ignore[index]
    assert survey(step).counts()["done"] == 2, "a short look does not see the size of what is torn"
    found = survey(step, thorough=True)
    assert found.broken == {
        0: "tables/made/shots/000/000000.1_0_0.parquet is gone",
        1: "made/parts/000/000001.1_0_0.parquet is gone",
        3: f"tables/made/shots/000/000003.1_0_0.parquet is damaged: it has 100 bytes, not {size}",
    }
    assert found.counts() == {"stale": 3, "done": 1, "pending": 0, "active": 0, "failed": 0, "lost": 0}
    assert (step.done(0), step.done(1), step.done(3)) == (None, None, None)
    shots = step.scan("shots")
    assert shots is not None
    assert len(shots.collect()) == 1


def test_a_torn_temporary_record_is_not_a_record(tmp_path: Path) -> None:
    step = made_step(tmp_path)
    finish(step, 0, rows("a"))
    step.paths.done(1).with_name(".000001.json.node7.99.tmp").write_text('{"chunk": 1, "fing')
    assert [done.chunk for done in step.records()] == [0]
    assert not step.complete()


def test_only_good_rows_without_a_reason_to_be_dropped_are_kept(tmp_path: Path) -> None:
    step = made_step(tmp_path, n=1, gives={**plan().gives, "drop_reason": "String"})
    table = rows("good", "bad", "dropped").with_columns(
        error=pl.Series([None, "corrupt", None]), drop_reason=pl.Series([None, None, "motion.min"])
    )
    finish(step, 0, table)
    assert step.kept().collect()["video_id"].to_list() == ["good"]
    assert step.complete()


def test_side_tables_are_read_where_a_chunk_has_them(tmp_path: Path) -> None:
    step = made_step(tmp_path, tables={"shots": {"video_id": "String"}})
    finish(step, 0, rows("a"), shots=pl.DataFrame({"video_id": ["a", "a"]}))
    finish(step, 1, rows("b"), shots=pl.DataFrame({"video_id": ["b"]}))
    shots, second = step.scan("shots"), step.scan("shots", only=[1])
    assert shots is not None and second is not None
    assert shots.collect()["video_id"].to_list() == ["a", "a", "b"]
    assert second.collect()["video_id"].to_list() == ["b"]
    assert step.scan("signals") is None


def test_steps_stand_behind_those_that_they_read(tmp_path: Path) -> None:
    for name, inputs in {"a_last": ["m", "z_first"], "m": ["z_first"], "z_first": [], "b": ["m"]}.items():
        made_step(tmp_path, name, inputs=inputs)
    (tmp_path / "sweeps").mkdir()
    assert steps(tmp_path) == ["z_first", "m", "a_last", "b"]
    assert steps(tmp_path / "nowhere") == []


def test_a_step_that_is_not_there_is_an_error_that_lists_those_that_are(tmp_path: Path) -> None:
    made_step(tmp_path / "run", "ingest")
    with pytest.raises(InputError, match="run 'run' has no step 'analyse'; it has: ingest"):
        _ = Step(tmp_path / "run", "analyse").plan


def test_borders_follow_the_cost_and_are_written_once(tmp_path: Path) -> None:
    source = made_step(tmp_path, "source", n=2, gives={**plan().gives, "bytes": "Int64"})
    behind = made_step(tmp_path, "behind", n=2, inputs=["source"], cost="bytes")
    with pytest.raises(InputError, match="0 of 2 chunks are done"):
        borders_of(behind, 0)
    assert not behind.paths.borders.exists()
    finish(source, 0, rows("a", "b").with_columns(bytes=pl.Series([9, 1])))
    finish(source, 1, rows("c", "d").with_columns(bytes=pl.Series([None, 1], dtype=pl.Int64)))
    assert borders_of(behind, 0).borders == [0, 1, 4]
    assert borders_of(behind, 0).offsets == [0, 2, 4]
    finish(source, 1, rows("c"), attempt="later")
    assert borders_of(Step(tmp_path, "behind"), 0).borders == [0, 1, 4]


def test_borders_leave_out_rows_that_failed(tmp_path: Path) -> None:
    source = made_step(tmp_path, "source", n=1)
    behind = made_step(tmp_path, "behind", n=2, inputs=["source"])
    finish(source, 0, rows("a", "b", "c").with_columns(error=pl.Series([None, "corrupt", None])))
    assert borders_of(behind, 0).borders == [0, 1, 2]


def test_chunks_that_another_version_finished_are_read_with_the_others_whatever_columns_it_wrote(
    tmp_path: Path,
) -> None:
    step = made_step(tmp_path, n=3)
    empty = pl.lit(None, pl.String)
    for chunk, more in enumerate(({"value": "old"}, {"value": "new", "later": "x"}, {"later": "y"})):
        rows = pl.DataFrame([{"video_id": f"v{chunk}", **more}]).with_columns(error=empty, error_detail=empty)
        finish(step, chunk, rows)
    found = step.scan()
    assert found is not None
    assert found.select("video_id", "value").collect().rows() == [("v0", "old"), ("v1", "new"), ("v2", None)]
    reached = scan_reach(step, Reach(range(3), None))
    assert reached is not None
    assert reached.select("video_id", "value").collect().rows() == [("v0", "old"), ("v1", "new"), ("v2", None)]
