"""Rows that are too many for memory reach their task by files in its scratch, and no file is left."""

from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from support.disks import small_disk
from support.pictures import BYTES, PICTURES, Config, picture, take
from support.steps import cluster, finish, made_step

from slurm.errors import ItemError
from slurm.record.files import names
from slurm.record.manifest import Step
from slurm.record.plan import Columns, Items
from slurm.scheduler.signals import Stop
from slurm.task.attempt import Attempt
from slurm.task.commit import commit
from stages.core.runner.processes import Processes
from stages.core.runner.work import Work
from stages.core.schema.types import Row
from stages.core.storage.scratch import Scratch, scratch_folder
from stages.core.storage.spill import PIECE_BYTES, Spill, Spilled

MANY = 2 * PIECE_BYTES // BYTES + 3  # pictures that make two pieces and a rest


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scratch of a task of its own, for this test."""
    place = tmp_path / "node[1]*"  # which is no pattern
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("REELMILL_SCRATCH", "")
    monkeypatch.setattr("tempfile.tempdir", None)
    return Scratch().path


def fill(spill: Spill, count: int) -> None:
    for place in range(count):
        spill.add({"place": place, "picture": picture("v", place)})


def test_few_rows_come_back_as_they_are_and_touch_no_disk(scratch: Path) -> None:
    with Spill(PICTURES) as spill:
        fill(spill, 3)
        rows = spill.rows()
    assert rows == [{"place": place, "picture": picture("v", place)} for place in range(3)]
    assert not scratch.exists()


@pytest.mark.parametrize("count", [MANY, 2 * PIECE_BYTES // BYTES])
def test_many_rows_come_back_from_the_scratch_in_order(scratch: Path, count: int) -> None:
    with Spill(PICTURES) as spill:
        fill(spill, count)
        spilled = spill.rows()
    assert isinstance(spilled, Spilled)
    assert spilled.folder.parent == scratch
    table = spilled.scan().collect()
    assert table["place"].to_list() == list(range(count))
    assert table["picture"].to_list() == [picture("v", place) for place in range(count)]
    spilled.remove()
    assert names(scratch) == []


def test_an_item_that_fails_leaves_nothing_behind(scratch: Path) -> None:
    with pytest.raises(ItemError), Spill(PICTURES) as spill:
        fill(spill, MANY)
        assert len(names(scratch)) == 1
        raise ItemError("corrupt", "torn")
    assert names(scratch) == []


def test_what_a_worker_that_was_killed_had_spilled_is_removed_with_it(scratch: Path) -> None:
    rows: list[Row] = [{"video_id": name} for name in ("stuck", "a", "dead", "few")]
    with closing(Processes(1, 4.0, None, Stop())) as processes:
        errors = {}
        for row, tables, error, _ in processes.map(take, (Config(MANY),), rows):
            errors[row["video_id"]] = error
            spilled = tables.get("pictures")
            if isinstance(spilled, Spilled):
                assert len(spilled.scan().collect()) == MANY
                spilled.remove()
        assert errors == {"stuck": "item_timeout", "a": None, "dead": "item_crashed", "few": None}
        assert names(scratch) == []


def test_a_full_scratch_is_the_items_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "small", 12) as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        monkeypatch.setenv("REELMILL_SCRATCH", "")
        scratch = Scratch()
        with pytest.raises(ItemError, match="No space left") as caught, Spill(PICTURES) as spill:
            fill(spill, MANY)
        assert caught.value.code == "disk"
        assert names(scratch_folder()) == []
        scratch.close()


def test_pictures_of_many_items_reach_the_part_in_the_order_of_the_input(tmp_path: Path) -> None:
    keys = ["c", "few", "a", "bad", "d", "b"]
    given = made_step(tmp_path, "catalogue", n=1, gives={"video_id": "String", "path": "String", "error": "String"})
    finish(given, 0, pl.DataFrame({"video_id": keys, "path": keys}).with_columns(error=pl.lit(None, pl.String)))
    step = made_step(
        tmp_path, "pictures", stage="support.pictures", config={"count": MANY}, inputs=["catalogue"], n=1,
        tables={"pictures": {}}, columns=Columns({"path": "catalogue"}, {}),
        items=Items(timeout_s=60, at_once=1, workers=2, mem_gb=None),
    )  # fmt: skip
    with closing(Work(step, Stop(), cluster())) as work, Attempt(step, 0, "1_0_0", work.schemas) as attempt:
        items, scratch = work.items(0), work.scratch.path
        for output in work.run(items):
            attempt.add(output, flush_s=3600)
            assert len(names(scratch)) <= 3  # of the one that was taken, of two that are under way
        assert names(scratch) == []
        done = commit(attempt, items["video_id"], cluster())
    assert (done.rows_in, done.rows_failed) == (6, 1)
    table = whole(step)
    wanted = [(key, place) for key in keys if key != "bad" for place in range(1 if key == "few" else MANY)]
    assert table.select("video_id", "place").rows() == wanted
    assert all(told == picture(key, place) for told, (key, place) in zip(table["picture"], wanted, strict=True))


def whole(step: Step) -> pl.DataFrame:
    found = step.scan("pictures")
    assert found is not None
    return found.collect()
