"""An item is followed into the chunk of each step that has it, wherever chunks begin, and told as far as it got."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter
from rich.text import Text
from support import again, frames, tally
from support.runs import CONF, ProbeRun, command, planned
from support.steps import finish, made_step, plan
from support.users import AS_ROOT, shared_folder

from slurm.errors import InputError
from slurm.explain import find as finding
from slurm.explain import walk as walking
from slurm.explain.find import find
from slurm.explain.story import story
from slurm.explain.walk import Item, walk
from slurm.record.chunks import borders_of
from slurm.record.manifest import Step
from stages import filter as filtering
from stages.core.choose.rule import Rule
from stages.core.runner.pipeline import Wanted, submit_steps
from stages.core.runner.stage import Stage
from stages.filter import Config

LIMITS = Config({"score": Rule("score", "mean", 0.15, None)})
SCORES = frames.Config((0.1, 0.2, 0.3), ["item00004"])


class Run(ProbeRun):
    def behind(self, stage: Stage, config: Any, step: str, after: str | list[str], **chunks: Any) -> int:
        common = self.wanted()[-1].common
        common = replace(common, step=step, after=after, chunks=replace(common.chunks, **chunks))
        return submit_steps([Wanted(stage, common, config)])

    def told(self, item: str, step: str, **more: Any) -> str:
        """The headline of a step."""
        lines = Text.from_markup(story(self.run, item, **more)).plain.splitlines()
        (line,) = (line for line in lines if line.startswith(f"{step}  "))
        return line.partition("  ")[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eleven items in chunks of three, of which one is bad; three frames of each but one, in chunks of four items."""
    made = Run(tmp_path_factory.mktemp("walk"), 11, "cluster.executor=debug", "chunks.size=3", "items.workers=1")
    made.order(1, "bad")
    assert made.submit() == 0
    assert made.behind(frames.STAGE, SCORES, "frames", "probe", align=False, size=4) == 0
    assert made.behind(filtering.STAGE, LIMITS, "each", "frames", align=True) == 0
    assert made.behind(filtering.STAGE, LIMITS, "good", ["probe", "frames"], align=False, size=2) == 0
    assert made.behind(again.STAGE, tally.Config(), "again", "good") == 0
    assert made.behind(frames.STAGE, replace(SCORES, scores=(1, 2, 3)), "later", "again", align=False, size=3) == 0
    return made


def every(run: Run, step: str) -> dict[str, int]:
    """The chunk of each row of a step."""
    records = Step(run.run, step).all_done()
    parts = {record.chunk: pl.read_parquet(Step(run.run, step).paths.part(record.part)) for record in records}
    key = Step(run.run, step).plan.key
    return {row: chunk for chunk, part in parts.items() for row in part[key]}


@pytest.mark.parametrize("step", ["ingest", "probe", "frames", "each", "good", "again", "later"])
def test_every_row_of_every_step_is_found_in_its_chunk(run: Run, step: str) -> None:
    chunks = every(run, step)
    assert len(chunks) >= 9
    for row, chunk in chunks.items():
        visits = {visit.step.name: visit for visit in walk(run.run, find(run.run, row))}
        assert visits[step].rows[walking.CHUNK].to_list() == [chunk]


def test_no_part_is_opened_that_cannot_hold_the_item(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    scan = pl.scan_parquet

    def noted(source: Any, **more: Any) -> pl.LazyFrame:
        opened.extend(map(str, source if isinstance(source, list) else [source]))
        return scan(source, **more)

    monkeypatch.setattr(pl, "scan_parquet", noted)
    walk(run.run, Item("video_id", "item00010", {}))
    for step in ("probe", "good"):
        of_step = {Path(file).name.partition(".")[0] for file in opened if f"/{step}/parts/" in file}
        assert of_step == {f"{every(run, step)['item00010']:06d}"}


def test_what_a_step_says_of_an_item_is_told_for_each_of_its_rows(run: Run) -> None:
    assert run.told("item00000", "frames") == "chunk 0 done: 3 rows: 3 kept"
    assert run.told("item00000", "each") == "chunk 0 done: 3 rows: 2 kept, 1 dropped (score.min 1)"
    assert run.told("item00000", "good") == "chunk 0 done: kept"
    assert run.told("item00000_0", "frames") == "chunk 0 done: kept"
    assert run.told("item00000_0", "each") == "chunk 0 done: dropped by score.min: 0.1 (mean of score), limit 0.15"
    assert run.told("item00000_0", "good") == "chunk 0 done: kept"
    assert run.told("item00000", "again") == "chunk 0 done: kept"


def test_of_a_group_of_rules_the_members_are_told(tmp_path: Path) -> None:
    run = Run(tmp_path, 1, "cluster.executor=debug", "chunks.size=1", "items.workers=1")
    assert run.submit() == 0
    assert run.behind(frames.STAGE, SCORES, "frames", "probe") == 0
    low, high = {"column": "score", "max": 0.15}, {"column": "score", "min": 0.25}
    group = {"edge": {"any": {"low": low, "high": high}}, "mid": {"all": {"lo": {"column": "score", "min": 0.15}}}}
    rules = TypeAdapter(Config).validate_python({"rules": group})
    assert run.behind(filtering.STAGE, rules, "edges", "frames") == 0
    neither = "edge.any.low.max: 0.2 (mean of score), limit 0.15 and edge.any.high.min: 0.2 (mean of score), limit 0.25"
    assert run.told("item00000_1", "edges") == f"chunk 0 done: dropped by edge: {neither}"
    least = "mid: mid.all.lo.min: 0.1 (mean of score), limit 0.15"
    assert run.told("item00000_0", "edges") == f"chunk 0 done: dropped by {least}"
    assert run.told("item00000_2", "edges") == "chunk 0 done: kept"


def test_what_a_rule_saw_may_be_a_text(tmp_path: Path) -> None:
    run = Run(tmp_path, 1, "cluster.executor=debug", "chunks.size=1", "items.workers=1")
    assert run.submit() == 0
    rules = TypeAdapter(Config).validate_python({"rules": {"value": {"in": ["a", "b"]}}})
    assert run.behind(filtering.STAGE, rules, "texts", "probe") == 0
    value = run.expected()["value"][0]
    assert run.told("item00000", "texts") == f"chunk 0 done: dropped by value.in: {value} (mean), limit ['a', 'b']"


def test_an_item_that_failed_is_told_with_its_error_and_not_reached_behind(run: Run) -> None:
    assert run.told("item00001", "probe") == "chunk 0 done: failed: corrupt: the test said so"
    assert run.told("item00001", "later") == "not reached: it has no row in again"
    assert run.told("item00001", "good") == run.told("item00001", "each") == "not reached: failed in probe"


@pytest.mark.parametrize("asked", ["item00001_7", "~nobody", "x" * 5000, "item00001/../../x"])
def test_ids_of_nothing_are_refused_whatever_they_look_like(run: Run, asked: str) -> None:
    with pytest.raises(InputError, match="no key, path or URL of its rows is that"):
        find(run.run, asked)


def test_an_item_of_which_a_step_gave_no_rows_is_told_so(run: Run) -> None:
    assert run.told("item00004", "frames") == "chunk 1 done: no row of it"
    assert run.told("item00004", "each") == "not reached: it has no row in frames"
    assert run.told("item00004", "good").endswith("dropped by score.null: no value (mean of score), min 0.15")


def test_ids_that_do_not_begin_with_those_that_they_are_made_of_are_found_as_well(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_beginnings", lambda sources, texts: iter(()))
    monkeypatch.setattr(finding, "_begin_alike", lambda step: False)
    assert find(run.run, "item00007_2") == Item("frame_id", "item00007_2", {"video_id": "item00007"})
    assert walking.FEW > 20
    monkeypatch.setattr(walking, "FEW", 1)  # as if there were many chunks
    assert run.told("item00007_2", "frames") == f"chunk {every(run, 'frames')['item00007_2']} done: kept"


def test_a_step_that_is_not_done_for_its_chunk_says_why(tmp_path: Path) -> None:
    run = Run(tmp_path, 6, "cluster.executor=debug", "chunks.size=3", "items.workers=1")
    run.order(4, "raise")
    order = run.chain()
    assert submit_steps(order) == 1
    assert run.told("item00001", "second") == "chunk 0 done: kept"
    assert run.told("item00004", "probe") == "chunk 1 failed (exception): RuntimeError: the test said so"
    assert run.told("item00004", "second") == "waits for probe"
    (run.folder / "item00004.raise").unlink()
    (run.folder / "second" / "item00004.raise").touch()
    assert submit_steps(order) == 1
    assert run.told("item00004", "second").startswith("chunk 1 failed (exception)")
    part = run.step.paths.part(run.step.all_done()[0].part)
    part.unlink()
    assert run.told("item00001", "probe").startswith("chunk 0 stale: probe/parts/000/000000.")
    assert run.told("item00001", "probe").endswith(".parquet is gone")
    assert run.told("item00001", "second") == "waits for probe"


def test_a_chunk_whose_input_has_other_rows_now_is_stale(tmp_path: Path) -> None:
    run = Run(tmp_path, 4, "cluster.executor=debug", "chunks.size=2", "items.workers=1")
    assert run.submit_chain() == 0
    first = run.step.all_done()[0]
    run.step.finish(first._replace(same_as="another"))
    assert run.told("item00000", "second") == "chunk 0 stale: probe has other rows since it was read: kept"
    assert run.told("item00003", "second") == "chunk 1 done: kept"
    run.seconds = 0.01
    assert submit_steps(run.wanted("overwrite=[probe]")) == 0
    assert "earlier config" not in run.told("item00003", "probe")


def test_an_item_that_came_with_an_extension_is_found_in_its_chunks(tmp_path: Path) -> None:
    run = Run(tmp_path, 4, "cluster.executor=debug", "chunks.size=2", "items.workers=1")
    assert run.submit() == 0
    assert run.behind(frames.STAGE, SCORES, "frames", "probe", align=False, size=3) == 0
    names = [*run.names, "late"]
    pl.DataFrame({"video_id": names, "path": [f"{name}.mp4" for name in names]}).write_csv(run.catalogue)
    assert submit_steps(planned("ingest", *run.overrides, f"input.path={run.catalogue}", "extend=true")) == 0
    assert run.told("late", "probe") == "chunk 2 done: kept"
    assert run.told("late", "frames") == f"chunk {every(run, 'frames')['late_0']} done: 3 rows: 3 kept"
    assert run.told(str(run.catalogue.parent / "x" / ".." / "late.mp4"), "probe") == "chunk 2 done: kept"
    Step(run.run, "frames").paths.extension(1).unlink()
    assert run.told("late", "frames") == "no chunk for it yet: probe was extended since (extend=true adds one)"


@AS_ROOT
def test_another_users_run_is_explained(tmp_path: Path) -> None:
    with shared_folder() as (shared, alice, bob):
        run = Run(shared, 2)
        for folder in (run.folder, run.folder / "calls", run.folder / "beside"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        words = [f"--config-dir={CONF}", f"input.path={run.catalogue}", f"steps.probe.folder={run.folder}"]
        own = ["run=r", f"runs={run.runs}", "cluster.executor=debug", "steps.probe.seconds=0", "items.workers=1"]
        made = alice.command("stages", "pipeline=probe", *words, *own)
        assert made.returncode == 0, made.stdout + made.stderr
        done = bob.command("slurm", "explain", "run=r", f"runs={run.runs}", "id=item00001")
        assert (done.returncode, done.stderr) == (0, "")
        assert "probe  chunk 0 done: kept" in done.stdout


def test_a_run_without_any_finished_source_has_no_items(tmp_path: Path) -> None:
    run = Run(tmp_path, 1, "cluster.executor=debug")
    assert run.submit() == 0
    Step(run.run, "ingest").paths.done(0).unlink()
    done = command("slurm", "explain", "run=r", f"runs={run.runs}", "id=item00000")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no 'item00000' in run r: ")


def test_rows_that_lie_apart_are_followed_each_by_itself(tmp_path: Path) -> None:
    run, keys = tmp_path / "r", ["clip_id", "video_id"]
    gives = {"clip_id": "String", **plan().gives}
    source = made_step(run, "source", kind="reduce", n=1, item_keys=[])
    empty = pl.lit(None, pl.String)
    finish(source, 0, pl.DataFrame({"video_id": ["a", "b"]}).with_columns(error=empty, error_detail=empty))
    clips = pl.DataFrame({"clip_id": ["a_0", "b_0", "a_1", "b_1"], "video_id": ["a", "b", "a", "b"]})
    clips = clips.with_columns(error=empty, error_detail=empty)
    ranked = made_step(run, "ranked", kind="reduce", n=1, inputs=["source"], keys=keys, item_keys=[], gives=gives)
    finish(ranked, 0, clips)
    cut = made_step(run, "cut", n=4, inputs=["ranked"], keys=keys, item_keys=keys, gives=gives)
    borders_of(cut, 0)
    for chunk in (0, 1, 3):
        finish(cut, chunk, clips[chunk : chunk + 1])
    visits = {visit.step.name: visit for visit in walk(run, Item("video_id", "a", {}))}
    assert (list(visits["cut"].chunks), list(visits["cut"].done)) == ([0, 2], [0])
    assert "cut  chunk 0 done; chunk 2 waits: not tried yet: a_0 kept" in Text.from_markup(story(run, "a")).plain
