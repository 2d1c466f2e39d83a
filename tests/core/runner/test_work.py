"""What a task reads and what it lets through: columns from the nearest step, each item once, nothing unnamed."""

import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from support.runs import ProbeRun
from support.steps import cluster, finish, made_step, plan

from slurm.errors import ChunkError, InputError
from slurm.record.manifest import Step
from slurm.record.plan import Columns
from slurm.scheduler.signals import Stop
from stages.core.runner.columns import find_giver, has
from stages.core.runner.work import Work

GIVES = {"video_id": "String", "error": "String", "error_detail": "String"}


def rows(ids: list[str], **columns: list[object]) -> pl.DataFrame:
    empty = pl.lit(None, pl.String)
    return pl.DataFrame({"video_id": ids, **columns}).with_columns(error=empty, error_detail=empty)


def probe(run: Path, inputs: list[str], columns: dict[str, str], n: int = 1, aligned: bool = False) -> Work:
    """The work of a probe step behind these steps."""
    step = made_step(
        run, "probe", stage="support.probe", config={"folder": str(run), "seconds": 0.0}, inputs=inputs, n=n,
        aligned=aligned, columns=Columns(columns, {}),
    )  # fmt: skip
    return Work(step, Stop(), cluster())


def catalogue(run: Path, per_chunk: list[int], name: str = "catalogue") -> list[str]:
    """A step of chunks with so many rows; gives the ids of all."""
    step = made_step(run, name, n=len(per_chunk), gives={**GIVES, "path": "String"})
    ids = [f"v{i:03d}" for i in range(sum(per_chunk))]
    start = 0
    for chunk, size in enumerate(per_chunk):
        own = ids[start : start + size]
        finish(step, chunk, rows(own, path=[f"{key}.mp4" for key in own]).cast({"video_id": pl.String}))
        start += size
    return ids


@pytest.mark.parametrize("per_chunk", [[10], [3, 4, 5], [0, 5, 0, 0, 7, 0], [0], [0, 0], [1] * 9])
@pytest.mark.parametrize("n", [1, 2, 5, 13])
def test_unaligned_slices_give_each_item_once_and_in_order(tmp_path: Path, per_chunk: list[int], n: int) -> None:
    ids = catalogue(tmp_path, per_chunk)
    work = probe(tmp_path, ["catalogue"], {"path": "catalogue"}, n)
    read = [work.items(chunk) for chunk in range(n)]
    assert [key for table in read for key in table["video_id"]] == ids
    assert all((table["path"] == table["video_id"] + ".mp4").all() for table in read)


def test_aligned_slices_are_the_chunks_of_the_input(tmp_path: Path) -> None:
    ids = catalogue(tmp_path, [3, 0, 4])
    work = probe(tmp_path, ["catalogue"], {"path": "catalogue"}, n=3, aligned=True)
    read = [work.items(chunk)["video_id"].to_list() for chunk in range(3)]
    assert read == [ids[a:b] for a, b in pairwise([0, 3, 3, 7])]


def test_rows_that_failed_or_were_dropped_are_not_read(tmp_path: Path) -> None:
    step = made_step(tmp_path, "catalogue", n=2, gives={**GIVES, "path": "String", "drop_reason": "String"})
    dropped = rows(["a", "b"], path=["a", "b"]).with_columns(drop_reason=pl.Series([None, "short"]))
    bad = rows(["c", "d"], path=["c", "d"]).with_columns(
        error=pl.Series(["corrupt", None]), drop_reason=pl.lit(None, pl.String)
    )
    finish(step, 0, dropped)
    finish(step, 1, bad)
    work = probe(tmp_path, ["catalogue"], {"path": "catalogue"}, n=2)
    assert [work.items(chunk)["video_id"].to_list() for chunk in range(2)] == [["a"], ["d"]]


def test_each_column_comes_from_the_nearest_step_that_gives_it(tmp_path: Path) -> None:
    plans = {
        "far": plan(gives={**GIVES, "path": "String", "title": "String", "fps": "Float64"}),
        "near": plan(inputs=["far"], gives={**GIVES, "title": "String"}),
        "side": plan(inputs=["far"], gives={**GIVES, "fps": "Float64"}),
    }
    columns = {
        name: find_giver(name, ["near", "side"], plans, "probe", has)
        for name in ("path", "title", "fps")
    }  # fmt: skip
    assert columns == {"path": "far", "title": "near", "fps": "side"}
    with pytest.raises(InputError, match="step probe needs 'luma', which none of the steps before it gives: near, far"):
        find_giver("luma", ["near"], plans, "probe", has)


@pytest.mark.parametrize("aligned", [False, True])
def test_columns_of_further_steps_are_joined_by_their_key_in_the_order_of_the_items(
    tmp_path: Path, aligned: bool
) -> None:
    far = made_step(tmp_path, "far", n=2, gives={**GIVES, "path": "String"})
    near = made_step(tmp_path, "near", n=2, inputs=["far"], aligned=True, gives={**GIVES, "title": "String"})
    finish(far, 0, rows(["a", "b"], path=["pa", "pb"]))
    finish(far, 1, rows(["c", "d"], path=["pc", "pd"]))
    finish(near, 0, rows(["b", "a"], title=["tb", "ta"]))
    finish(near, 1, rows(["d"], title=["td"]))
    work = probe(tmp_path, ["near"], {"path": "far", "title": "near"}, n=2, aligned=aligned)
    table = pl.concat([work.items(0), work.items(1)])
    assert table.rows() == [("b", "pb", "tb"), ("a", "pa", "ta"), ("d", "pd", "td")]
    assert table.columns == ["video_id", "path", "title"]


def test_a_column_is_found_where_the_step_that_gives_it_was_made_again_in_another_order(tmp_path: Path) -> None:
    far = made_step(tmp_path, "far", n=2, gives={**GIVES, "path": "String"})
    near = made_step(tmp_path, "near", n=2, inputs=["far"], aligned=True, gives={**GIVES, "title": "String"})
    for chunk, ids in enumerate(("ab", "cd")):
        finish(far, chunk, rows(list(ids), path=[f"p{key}" for key in ids]))
        finish(near, chunk, rows(list(ids), title=[f"t{key}" for key in ids]))
    for chunk, ids in enumerate(("cd", "ab")):
        finish(far, chunk, rows(list(ids), path=[f"p{key} again" for key in ids]), attempt="2_0_0")
    table = probe(tmp_path, ["near"], {"path": "far"}, n=2, aligned=True).items(0)
    assert table.rows() == [("a", "pa again"), ("b", "pb again")]


def test_a_part_that_has_lost_rows_since_its_record_was_written_is_told_and_not_passed_on(tmp_path: Path) -> None:
    step = made_step(tmp_path, "catalogue", n=1, gives={**GIVES, "path": "String"})
    done = finish(step, 0, rows(["a", "b"], path=["1", "2"]))
    work = probe(tmp_path, ["catalogue"], {"path": "catalogue"}, n=2)
    assert work.items(0)["video_id"].to_list() == ["a"]
    rows(["a"], path=["1"]).write_parquet(step.paths.part(done.part))
    with pytest.raises(ChunkError, match=r"catalogue has other rows now"):
        work.items(1)


def test_clips_get_the_columns_of_their_videos(tmp_path: Path) -> None:
    catalogue(tmp_path, [2])
    clips = made_step(
        tmp_path, "clips", n=1, inputs=["catalogue"], keys=["clip_id", "video_id"], gives={**GIVES, "clip_id": "String"}
    )
    finish(clips, 0, rows(["v001", "v000", "v001"], clip_id=["x", "y", "z"]))
    step = made_step(
        tmp_path, "probe", stage="support.probe", config={"folder": "", "seconds": 0.0}, inputs=["clips"], n=1,
        keys=["clip_id", "video_id"], item_keys=["clip_id", "video_id"], columns=Columns({"path": "catalogue"}, {}),
    )  # fmt: skip
    table = Work(step, Stop(), cluster()).items(0)
    assert table["clip_id"].to_list() == ["x", "y", "z"]
    assert table["path"].to_list() == ["v001.mp4", "v000.mp4", "v001.mp4"]


def test_a_key_that_stands_twice_is_refused_and_named(tmp_path: Path) -> None:
    step = made_step(tmp_path, "catalogue", n=1, gives={**GIVES, "path": "String"})
    finish(step, 0, rows(["a", "b", "b"], path=["1", "2", "3"]))
    with pytest.raises(ChunkError, match="catalogue gives video_id='b' more than once"):
        probe(tmp_path, ["catalogue"], {"path": "catalogue"}).items(0)


def test_side_tables_are_those_of_the_items(tmp_path: Path) -> None:
    step = made_step(
        tmp_path,
        "catalogue",
        n=2,
        gives={**GIVES, "path": "String"},
        tables={"shots": {"video_id": "String", "shot": "Int64"}},
    )
    for chunk, key in enumerate("ab"):
        shots = pl.DataFrame({"video_id": [key, key, "gone"], "shot": [1, 0, 0]})
        finish(step, chunk, rows([key], path=[key]), shots=shots)
    work = probe(tmp_path, ["catalogue"], {"path": "catalogue"}, n=2, aligned=True)
    work.plan.columns.tables["shots"] = "catalogue"
    items = work.items(1)
    assert work.side("shots", items).rows() == [("b", 1), ("b", 0)]


STRANGE = """
from slurm.task.attempt import Output
from stages.core.schema.types import TEXT
from stages.core.runner.stage import Stage
from support.probe import Config

def run(rows, config):
    for row in rows.table.to_dicts():
        yield Output([row["video_id"]], {"rows": [{"video_id": row["video_id"]}], **TABLES})

TABLES = {tables}
STAGE = Stage(name="strange.stage", kind="map", config=Config, run=run, gives={"value": TEXT}, tables={"letters": {}})
"""


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ('{"rows": [{"video_id": "item00000", "colour": "red"}]}', r"columns that its schema lacks: \['colour'\]"),
        ('{"letters": [{"video_id": "item00000", "size": 1}]}', r"columns that its schema lacks: \['size'\]"),
        ('{"words": []}', "a table 'words' that its `tables` do not name"),
        ('{"rows": []}', "1 items without a row"),
    ],
)
def test_a_stage_that_gives_what_it_does_not_name_fails_its_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: str, told: str
) -> None:
    name = f"strange{sha256(tables.encode()).hexdigest()[:8]}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "stage.py").write_text(
        STRANGE.replace("{tables}", tables).replace("strange.stage", f"{name}.stage")
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = ProbeRun(tmp_path, 1, "cluster.executor=debug")
    assert run.submit() == 0
    made_step(
        run.run, "strange", stage=f"{name}.stage", entry="stages.core.runner.work:Work", inputs=["ingest"], n=1,
        config={"folder": "", "seconds": 0.0}, columns=Columns({"path": "ingest"}, {}),
    )  # fmt: skip
    step = Step(run.run, "strange")
    step.paths.cluster.write_text(run.step.paths.cluster.read_text())
    result = run.resume(only=["strange"])["strange"]
    assert result.survey.state(0) == "failed (exception)"
    (past,) = result.survey.past[0]
    assert re.search(told, past.detail)


def test_a_step_that_another_version_planned_says_what_to_do(tmp_path: Path) -> None:
    catalogue(tmp_path, [1])
    step = made_step(tmp_path, "probe", stage="support.probe", config={"folder": "f"}, inputs=["catalogue"], n=1)
    with pytest.raises(ChunkError, match=r"wants another config\.seconds: give the command of the step again"):
        Work(step, Stop(), cluster())
