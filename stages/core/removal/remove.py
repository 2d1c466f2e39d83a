"""A removal from its first act to its last: what was begun by one command, the same command finishes.

the task is written (task.py)       from here on nothing is submitted, and whoever comes next goes on
shards, one after another           each all or not at all (releases.py)
tables, records, borders            all at once (tables.py)
media, leftovers, logs              removed or cleaned (files.py)
the record (slurm/removals.py): the version, the counts, and hashes by which `ingest` knows who is gone
reports are made again, and the task is removed
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from slurm.control.clean import rests
from slurm.control.resume import resume
from slurm.errors import InputError, ItemError
from slurm.pool.registry import PoolFolder
from slurm.record.files import names
from slurm.record.formats import write_record
from slurm.record.manifest import Step, steps
from slurm.removals import Removal, hashes_of, path_of, unfinished_of
from stages.core.removal import counts, files, journal, releases, tables
from stages.core.removal.asked import Found
from stages.core.removal.task import Task, make_task, save
from stages.core.storage.store import remove

MADE_HERE = "report"  # the stage whose page is made again here, in seconds
SHOWN = {  # what stages that read whole steps have made of rows: pages, pictures, a dataset
    MADE_HERE: ("report.html", "explorer"),
    "publish": ("release",),
}


def refuse_active(run: Path) -> None:
    """Raises InputError while tasks of the run, or its model servers, are under way."""
    for name in steps(run):
        if not rests(Step(run, name)):
            raise InputError(
                f"{run.name}/{name} has tasks under way, or Slurm does not answer; first: "
                f"python -m slurm cancel run={run.name}"
            )
    for name in names(run / "pools"):
        pool = PoolFolder(run, name)
        if pool.exists and not pool.settings.engine.url and pool.replicas():
            raise InputError(
                f"model servers of {pool} are running; first: python -m slurm serve run={run.name} pool={name} stop"
            )


def plan(run: Path, said: Sequence[str], found: Found) -> Task:
    """What is to be done; nothing is changed yet. Raises InputError where a store cannot be reached."""
    task = make_task(run, said, found)
    counted = counts.count(run, task)
    task.rows = {name: one.rows for name, one in counted.items() if one.rows}
    for step in releases.releases(run):
        if shards := len(releases.held_by(step, task.gone)):
            task.shards[step.name] = shards
        if released := counted[step.name].released:
            task.released[step.name] = released
        task.begun_anew += [(step.name, chunk) for chunk in releases.half_made(step, counted, task.gone)]
    task.files = sorted(dict.fromkeys(files.media_of(run, task)))
    return task


def begin(run: Path, task: Task) -> None:
    """Writes the task: from here on it is finished, by this command or by the next. Raises InputError."""
    save(run, task)
    try:
        refuse_active(run)
    except InputError:  # somebody submitted meanwhile
        unfinished_of(run).unlink()
        raise


def carry_out(run: Path, task: Task, tell: Callable[[str], None]) -> None:
    """Does all that a task says, or what is left of it."""
    save(run, task)
    journal.finish(run)
    written = releases.remove_rows(run, task)
    for name, shards in task.shards.items():
        tell(f"{name}: {shards:,} shards are without them now, {written.get(name, 0):,} bytes written")
    journal.make(run, tables.rewrite(run, task))
    remove_media(run, task)
    journal.remove(list(files.unneeded(run, task)))
    for folder in files.outdated_sweeps(run, task):
        shutil.rmtree(folder)
        tell(f"sweeps/{folder.name}: its tables are gone; the command of the sweep writes them again")
    for name in steps(run):
        files.clean_partial(Step(run, name), task)
    files.clean_lines(run, task)
    write_record(path_of(run, task.version), record_of(task))
    make_reports(run, tell)
    unfinished_of(run).unlink()


def remove_media(run: Path, task: Task) -> None:
    for number, address in enumerate(task.files):
        try:
            remove(address)
        except ItemError as error:
            raise InputError(
                f"{address} cannot be removed ({error.detail}): {len(task.files) - number} files are left; "
                f"the same command goes on"
            ) from error


def record_of(task: Task) -> Removal:
    hashes = hashes_of(task.salt, [*task.said, *task.videos, *task.addresses])
    return Removal(
        task.version,
        task.date,
        len(task.videos),
        task.rows,
        task.released,
        task.shards,
        len(task.files),
        task.salt,
        hashes,
    )


def make_reports(run: Path, tell: Callable[[str], None]) -> None:
    """Makes the reports again that were made of rows that are gone; tells of other steps that need it.

    What these have made is removed before: of its pictures nobody could tell whose they are.
    """
    outdated = []
    for name in steps(run):
        step = Step(run, name)
        if any(done.source == tables.REMADE for done in counts.records_of(step).values()):
            for made in SHOWN.get(step.plan.stage, ()):
                remove(str(step.paths.root / made))
            if step.plan.stage == MADE_HERE:
                outdated.append(name)
            else:
                tell(f"{name}: what it made had them, and is removed; give its command again")
    results = resume(run, outdated, {"executor": "debug"}, force=True) if outdated else {}
    for name, result in results.items():
        if not result.survey.complete():
            tell(f"{name} could not be made again: python -m slurm resume run={run.name}")
