"""What the storm left: rows, begins, files that nothing needs, chunks that need a hand."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from scripts.bench.storm.runs import STEPS, StormRun, value_of
from slurm.errors import ReelmillError
from slurm.record.manifest import Step
from slurm.record.paths import ROWS

LETTERS = 3  # rows of an item in the side table
RECORDS = ("step.json", "changes.json", "cluster.json", ".cache")
RECORD_FOLDERS = ("extensions", "borders", "submissions", "attempts", "done")


class Rows(NamedTuple):
    """What is wrong with the rows of a run, a line each; and items that crashed though nobody crashed them."""

    lost: list[str]
    doubled: list[str]
    different: list[str]
    crashed: list[str]


def check_rows(run: StormRun, killed_workers: set[int]) -> Rows:
    """The tables of all steps beside those of an undisturbed run."""
    rows = Rows([], [], [], [])
    items = run.items
    for name in STEPS:
        step = run.step(name)
        table = read(step, ROWS, f"{run.name}/{name}", rows)
        keys = [str(row["video_id"]) for row in table]
        counted, wanted = Counter(keys), set(items)
        where = f"{run.name}/{name}"
        rows.lost.extend(f"{where} {item}" for item in items if item not in counted)
        rows.doubled.extend(f"{where} {item}" for item, times in counted.items() if times > 1)
        rows.different.extend(f"{where} {item}: no item of its input" for item in counted if item not in wanted)
        if not rows.lost and keys != [item for item in items if item in counted]:
            rows.different.append(f"{where}: not in the order of the input")
        for row in table:
            check_row(run, name, row, killed_workers, rows)
        good = [str(row["video_id"]) for row in table if row["error"] is None]
        check_side(step, where, good, rows)
        items = [item for item in items if item in set(good)]
    return rows


def read(step: Step, table: str, where: str, rows: Rows) -> list[dict[str, Any]]:
    """The rows of a table chunk by chunk; those of a chunk that cannot be read are none, and that is noted."""
    found: list[dict[str, Any]] = []
    for chunk in range(step.plan.n) if step.exists else ():
        try:
            scanned = step.scan(table, only=[chunk])
            found += scanned.collect().to_dicts() if scanned is not None else []
        except (pl.exceptions.PolarsError, OSError, ReelmillError) as error:
            rows.different.append(f"{where} chunk {chunk}, table {table}: {str(error).partition(chr(10))[0]}")
    return found


def check_row(run: StormRun, step: str, row: dict[str, Any], killed_workers: set[int], rows: Rows) -> None:
    """Notes a row that is neither right nor wrong by design."""
    item, error = str(row["video_id"]), row["error"]
    if error is None and row["value"] == value_of(item):
        return
    if error is not None and error in run.by_design.get(step, {}).get(item, ()):
        return
    line = f"{run.name}/{step} {item}: {error} {row['error_detail']}"
    if error == "item_crashed":
        deaths = sum(worker in killed_workers for worker, _ in run.begins(step, item))
        if deaths + (item in run.by_design.get(step, {})) < 2:
            rows.crashed.append(f"{line} (the storm killed {deaths} of its workers)")
    else:
        rows.different.append(line)


def check_side(step: Step, where: str, good: list[str], rows: Rows) -> None:
    """Notes items whose rows in the side table are not the first letters of their value."""
    letters: dict[str, list[tuple[int, str]]] = {}
    for row in read(step, "letters", where, rows):
        letters.setdefault(str(row["video_id"]), []).append((row["place"], row["letter"]))
    for item in good:
        right = [(place, value_of(item)[place]) for place in range(LETTERS)]
        there = letters.pop(item, [])
        if there != right:
            kind = rows.lost if not there else rows.doubled if len(there) > LETTERS else rows.different
            kind.append(f"{where} {item}: letters {there}")
    rows.different.extend(f"{where} {item}: letters of no good row" for item in letters)


def begins(runs: list[StormRun]) -> tuple[int, int]:
    """How often items were begun, without what the storm asked for or told to misbehave; and how many items."""
    begun = items = 0
    for run in runs:
        for step in STEPS:
            for item in run.items:
                times = len(run.begins(step, item))
                if times and item not in run.by_design.get(step, {}):
                    items += 1
                    begun += max(1, times - run.redone.get(step, {}).get(item, 0))
    return begun, items


def orphans(run: StormRun) -> Iterator[str]:
    """Files of a run that no record names; records themselves and logs are none."""
    needed = {str(run.path / "run.json")}
    folders: list[str] = []
    for name in ("ingest", *STEPS):
        step = run.step(name)
        if not step.exists:
            continue
        needed |= {str(step.paths.root / record) for record in RECORDS}
        folders += [f"{step.paths.root / folder}/" for folder in RECORD_FOLDERS]
        for done in step.all_done():
            needed |= {str(step.paths.part(done.part, table)) for table in (ROWS, *done.tables)}
    logs = [f"{run.step(name).paths.logs}/" for name in ("ingest", *STEPS)]
    for path in sorted(run.path.rglob("*")):
        if path.is_dir() or str(path) in needed:
            continue
        hidden = path.name.startswith(".")
        if str(path).startswith(tuple(logs)) and path.suffix in (".out", ".err", ".sh", ".json"):
            continue
        if str(path).startswith(tuple(folders)) and not hidden:
            continue
        yield str(path.relative_to(run.runs))
