"""What power cuts, full quotas and hands do to a run's files: they end in the middle, or are gone."""

import time
from pathlib import Path

from scripts.bench.storm.runs import STEPS, StormRun, part_of, rows_in
from scripts.bench.storm.seen import tasks
from scripts.bench.storm.state import Fault, Kind, Storm
from slurm.record.files import names
from slurm.record.merge import ITEM


def tear_events(storm: Storm) -> Fault | None:
    """The last line of an attempt's events ends in the middle."""
    file = _events(storm)
    if file is None:
        return None
    text = file.read_bytes()
    last = text.rstrip(b"\n").rfind(b"\n") + 1
    file.write_bytes(text[: storm.chance.randint(last, max(last, len(text) - 1))])
    storm.damaged.add(file.stem)
    return Fault("tear_events", time.time(), str(file))


def drop_event_line(storm: Storm) -> Fault | None:
    """A line of an attempt's events is gone."""
    file = _events(storm)
    if file is None:
        return None
    lines = file.read_bytes().splitlines(keepends=True)
    lines.pop(storm.chance.randrange(len(lines)))
    file.write_bytes(b"".join(lines))
    storm.damaged.add(file.stem)
    return Fault("drop_event_line", time.time(), str(file))


def drop_events(storm: Storm) -> Fault | None:
    """All events of an attempt are gone."""
    file = _events(storm)
    if file is None:
        return None
    file.unlink()
    storm.damaged.add(file.stem)
    return Fault("drop_events", time.time(), str(file))


def _events(storm: Storm) -> Path | None:
    """The events of an attempt that is over, at an unfinished chunk if there is one."""
    run = storm.a_run()
    if run is None:
        return None
    alive = {task.name for task in tasks("RUNNING,SUSPENDED,COMPLETING")}
    step = run.step(storm.chance.choice(STEPS))
    there = [
        file
        for file in sorted(step.paths.attempts.glob("*/*/*.jsonl"))
        if file.stem.rpartition("_")[0] not in alive and file.stat().st_size
    ]
    return storm.chance.choice(there) if there else None


def tear_partial(storm: Storm) -> Fault | None:
    """A flushed file ends in the middle, of the main table or of the side table."""
    return _damaged_partial(storm, "tear_partial")


def drop_partial(storm: Storm) -> Fault | None:
    """A flushed file is gone."""
    return _damaged_partial(storm, "drop_partial")


def _damaged_partial(storm: Storm, kind: str) -> Fault | None:
    run = storm.a_run()
    if run is None:
        return None
    there = [(step, file) for step in STEPS for file in sorted(run.step(step).paths.partial.glob("*/*/*.flush"))]
    if not there:
        return None
    step, file = storm.chance.choice(there)
    items = rows_in(run, file, ITEM)
    if not _damage(file, tear=kind == "tear_partial"):
        return None
    run.ask_again(step, items)
    return Fault(kind, time.time(), str(file))


def tear_part(storm: Storm) -> Fault | None:
    """The table of a finished chunk ends in the middle."""
    return _damaged_part(storm, "tear_part", "rows")


def drop_part(storm: Storm) -> Fault | None:
    """The table of a finished chunk is gone."""
    return _damaged_part(storm, "drop_part", "rows")


def tear_side(storm: Storm) -> Fault | None:
    """The side table of a finished chunk ends in the middle."""
    return _damaged_part(storm, "tear_side", "letters")


def drop_side(storm: Storm) -> Fault | None:
    """The side table of a finished chunk is gone."""
    return _damaged_part(storm, "drop_side", "letters")


def _damaged_part(storm: Storm, kind: str, table: str) -> Fault | None:
    run = storm.a_run()
    if run is None:
        return None
    there = [(step, chunk) for step in STEPS for chunk in done_chunks(run, step)]
    if not there:
        return None
    step, chunk = storm.chance.choice(there)
    main, file = part_of(run, step, chunk), part_of(run, step, chunk, table)
    if main is None or file is None:
        return None
    items = rows_in(run, main, run.step(step).plan.item_key)
    if not _damage(file, tear=kind.startswith("tear")):
        return None
    run.ask_again(step, items)
    return Fault(kind, time.time(), f"{run.name}/{step} chunk {chunk}: {file}")


def done_chunks(run: StormRun, step: str) -> list[int]:
    """The chunks that have a done record."""
    folder = run.step(step).paths.dones
    return [int(name.partition(".")[0]) for bucket in names(folder) for name in names(folder / bucket)]


def _damage(file: Path, tear: bool) -> bool:
    """Cuts a file to its half, or removes it; False if it is not there any more."""
    try:
        if tear:
            with file.open("r+b") as open_file:
                open_file.truncate(file.stat().st_size // 2)
        else:
            file.unlink()
    except FileNotFoundError:
        return False
    return True


KINDS = {
    "tear_events": Kind(tear_events, 3),
    "drop_event_line": Kind(drop_event_line, 2),
    "drop_events": Kind(drop_events, 1),
    "tear_partial": Kind(tear_partial, 2),
    "drop_partial": Kind(drop_partial, 2),
    "tear_part": Kind(tear_part, 0.7),
    "drop_part": Kind(drop_part, 0.7),
    "tear_side": Kind(tear_side, 0.7),
    "drop_side": Kind(drop_side, 0.7),
}
