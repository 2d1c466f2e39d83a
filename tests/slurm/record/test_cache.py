"""What `status` need not read again, and what it must: whatever changed since, or may have."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from support.steps import finish, made_step

from slurm.control.survey import survey
from slurm.record.cache import SETTLED_S, Cache
from slurm.record.done import Done
from slurm.record.finished import usable
from slurm.record.history import Past, histories
from slurm.record.manifest import Step

CHUNKS = 6
ROWS = pl.DataFrame({"video_id": ["v"], "value": ["x"], "error": [None], "error_detail": [None]})


def attempt(step: Step, chunk: int, name: str, *, cause: str | None, at: float) -> Path:
    """The events of an attempt that began then; it runs still if it has no cause."""
    path = step.paths.attempts_at(chunk) / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"job": "7_0", "restart": 0, "host": "n1", "node": "n1", "pid": 1, "log": "", "end": None}
    events = [{"event": "start", "t": at, **about, "fingerprint": step.plan.fingerprint}]
    events.append({"event": "end", "t": at + 1, "cause": cause, "rows": 3} if cause else {"event": "beat", "t": at + 1})
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """Of six chunks three are done, one failed, one runs, one was not tried; all of it two minutes ago."""
    step = made_step(tmp_path / "r", "s", n=CHUNKS, tables={"frames": {"video_id": "String"}})
    for chunk in range(3):
        finish(step, chunk, ROWS, frames=ROWS.select("video_id"))
    attempt(step, 3, "7_3_0", cause="exception", at=time.time() - 200)
    attempt(step, 4, "7_4_0", cause=None, at=time.time() - 200)
    rest(step)
    return step


def rest(step: Step) -> None:
    """Lets two minutes go by, as the folders' times tell."""
    for root in (step.paths.dones, step.paths.parts, step.paths.tables, step.paths.attempts):
        for folder in [path for path in (root, *root.rglob("*")) if path.is_dir()]:
            about = folder.stat()
            os.utime(folder, (about.st_atime - 120, about.st_mtime - 120))


def look(step: Step) -> tuple[list[Done], dict[int, list[Past]]]:
    """What a cache tells of the step, by a process that knows nothing yet; it must be what the files tell."""
    fresh = Step(step.run, step.name)
    cache = Cache(fresh, least=1)
    folders = list(cache.folders())
    found = [done for folder in folders for done in usable(folder, fresh.plan.fingerprint)]
    past = cache.histories(range(CHUNKS))
    cache.save()
    assert folders == list(fresh.folders())
    assert (found, past) == (list(fresh.records()), histories(fresh, range(CHUNKS)))
    return found, past


def scrawl(step: Step) -> None:
    """Spoils the files in place: whoever reads them tells other numbers, though their folders are as they were."""
    for path in [*step.paths.dones.glob("*/*.json"), *step.paths.attempts.rglob("*.jsonl")]:
        text = path.read_text().replace('"rows_in": 1', '"rows_in": 9').replace('"rows": 3', '"rows": 9')
        path.write_text(text)


def read_again(step: Step) -> tuple[set[int], set[int]]:
    """The chunks whose done record, and whose attempts, a second look reads, since spoiled files show in it."""
    scrawl(step)
    cache = Cache(Step(step.run, step.name), least=1)
    records = {record.chunk for whole, _ in cache.folders() for record in whole if record.rows_in == 9}
    attempts = {chunk for chunk, past in cache.histories(range(CHUNKS)).items() if any(p.rows == 9 for p in past)}
    return records, attempts


def test_what_did_not_change_is_not_read_again(step: Step) -> None:
    records, past = look(step)
    assert ([record.chunk for record in records], sorted(past)) == ([0, 1, 2], [3, 4])
    assert read_again(step) == (set(), set())


def test_without_its_file_all_is_read(step: Step) -> None:
    look(step)
    (step.paths.cache).unlink()
    assert read_again(step) == ({0, 1, 2}, {3})


def replace_record(step: Step) -> None:
    finish(step, 1, ROWS, attempt="2_1_0")


def add_record(step: Step) -> None:
    finish(step, 5, ROWS)


def remove_record(step: Step) -> None:
    step.paths.done(2).unlink()


def remove_part(step: Step) -> None:
    next(step.paths.parts.glob("*/000001.*")).unlink()


def remove_side_table(step: Step) -> None:
    next(step.paths.tables.glob("*/*/000001.*")).unlink()


def tear_record(step: Step) -> None:
    path = step.paths.done(1)
    path.unlink()
    path.write_text('{"chunk": 1, "fin')


def try_again(step: Step) -> None:
    attempt(step, 3, "8_3_0", cause="timeout", at=time.time())


def try_first(step: Step) -> None:
    attempt(step, 5, "8_5_0", cause=None, at=time.time())


def go_on(step: Step) -> None:
    """The running attempt beats once more, and ends: its folder does not change by that."""
    with (step.paths.attempts_at(4) / "7_4_0.jsonl").open("a") as file:
        file.write(json.dumps({"event": "beat", "t": time.time(), "rows": 4}) + "\n")
        file.write(json.dumps({"event": "end", "t": time.time(), "cause": "timeout", "rows": 5}) + "\n")


def supersede(step: Step) -> None:
    step.supersede()
    made_step(step.run, step.name, n=CHUNKS, identity={"stage": "made", "config.level": 2})
    finish(Step(step.run, step.name), 0, ROWS, attempt="9_0_0")


BREAKS = [remove_part, remove_side_table, tear_record]
CHANGES = [replace_record, add_record, remove_record, *BREAKS, try_again, try_first, go_on, supersede]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("rests", [True, False])
def test_every_change_is_seen_at_the_next_look(step: Step, change: Callable[[Step], None], rests: bool) -> None:
    before = look(step)
    change(step)
    if rests:
        rest(step)
    assert look(step) != before
    look(step)


def test_a_folder_that_changed_a_moment_ago_is_read_again_whatever_its_time_says(step: Step) -> None:
    finish(step, 5, ROWS)
    attempt(step, 3, "8_3_0", cause="timeout", at=time.time() - 200)
    look(step)
    assert read_again(step) == ({0, 1, 2, 5}, {3})


def test_an_attempt_whose_start_was_not_written_yet_is_looked_at_again(step: Step) -> None:
    path = step.paths.attempts_at(5) / "7_5_0.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    rest(step)
    assert look(step)[1][5][0].node == ""
    attempt(step, 5, "7_5_0", cause=None, at=time.time() - 200)
    assert look(step)[1][5][0].node == "n1"


@pytest.mark.parametrize("damage", [b"", b"{", b"1 2 3\n\x00", b"\xff" * 100])
def test_a_damaged_cache_is_none(step: Step, damage: bytes) -> None:
    found = look(step)
    path = step.paths.cache
    whole = path.read_bytes()
    for content in (damage, whole[:-1], whole[:50] + b"x" + whole[51:], whole + damage + b"x"):
        path.write_bytes(content)
        assert look(step) == found


def test_where_nothing_can_be_written_there_is_no_cache_and_all_is_read(step: Step) -> None:
    (step.paths.cache).mkdir()  # a file cannot replace it
    look(step)
    assert read_again(step) == ({0, 1, 2}, {3})


def test_a_small_step_has_no_cache(step: Step) -> None:
    survey(step, cache=Cache(step))
    assert not (step.paths.cache).exists()


def test_a_survey_by_the_cache_tells_the_same(step: Step) -> None:
    plain = survey(Step(step.run, "s"))
    for _ in range(2):
        fresh = Step(step.run, "s")
        cached = survey(fresh, cache=Cache(fresh, least=1))
        assert (cached.done, cached.past, cached.counts()) == (plain.done, plain.past, plain.counts())
    assert read_again(step) == (set(), set())
    assert SETTLED_S < 120  # else nothing here is at rest
