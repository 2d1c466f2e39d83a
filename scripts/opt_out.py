"""Takes videos out of a run for good: its tables, media, store, releases, sweeps, logs, and every later catalogue.

IDS are video ids, channel ids or URLs: a list a,b,c, or a file of them as opt_out.path takes it. Only what holds them
is written anew; the dataset's version goes up by one, and what is left of them are salted hashes, by which `ingest`
leaves them out. Rows that are like one that goes are listed, and stay. A command that was killed is given again. At the
end every file of run, store and release is searched for what was removed (proof=false: not now): the exit status is 1
if something is left.

    python -m scripts.opt_out run=NAME ids=IDS [dry_run=true] [proof=false] [runs=runs]
"""

import sys
import time
from pathlib import Path

from scripts.words import read_words
from slurm.ending import ending
from slurm.errors import InputError
from slurm.explain.find import find as explained
from slurm.removals import removed_since
from slurm.table import find_run
from stages.core.removal.asked import Found, find, read_names
from stages.core.removal.mentions import Mentions
from stages.core.removal.proof import look
from stages.core.removal.remove import begin, carry_out, plan, refuse_active
from stages.core.removal.task import Task, load

KEYS = ("run", "ids", "dry_run", "proof", "runs")
CONFIGS = ("step.json", "changes.json", "run.json", "pool.json", "submission.json")  # which are never changed
SHOWN = 20  # names, rows that are alike, and places that are listed


def main(words: list[str]) -> int:
    if {"--help", "-h"} & {*words}:
        print(__doc__)
        return 0
    said = read_words(words, KEYS, ("run",))
    dry_run, proof = (yes(said, key, default) for key, default in (("dry_run", False), ("proof", True)))
    run = find_run(Path(said["runs"]) / said["run"] if "runs" in said else said["run"])
    left = load(run)
    if not said.get("ids") and left is None:
        raise InputError("say ids=…: video ids, channel ids or URLs, a,b,c, or a file with one a line")
    listed = read_names(said["ids"]) if said.get("ids") else left.said if left else []
    if dry_run and left is not None:
        raise InputError(
            f"a removal that was begun is not finished: python -m scripts.opt_out run={run.name} finishes it"
        )
    searched: list[Mentions] = []
    if left is not None:
        refuse_active(run)
        print(f"a removal of {left.date} was not finished: it goes on")
        searched.append(do(run, left))
    if left is None or listed != left.said:
        searched.append(take_out(run, listed, dry_run=dry_run))
    return prove(run, searched) if proof and not dry_run else 0


def yes(said: dict[str, str], key: str, default: bool) -> bool:
    value = said.get(key, str(default).lower())
    if value not in ("true", "false"):
        raise InputError(f"{key}={value}: true or false, please")
    return value == "true"


def take_out(run: Path, listed: list[str], *, dry_run: bool) -> Mentions:
    """Takes out what is listed, as far as it is there; gives what is to be looked for then."""
    refuse_active(run)
    found = find(run, listed)
    unknown = tell_names(run, found)
    if not found.videos:
        if len(unknown) == len(listed):
            raise InputError(f"none of {len(listed):,} ids is in run {run.name!r}, so nothing was changed")
        print("nothing of that is in the tables; the proof searches for these names alone")
        return Mentions(listed)
    task = plan(run, listed, found)
    tell_task(task)
    if dry_run:
        print("dry_run=true: nothing was changed")
        return task.mentions
    begin(run, task)
    return do(run, task)


def tell_names(run: Path, found: Found) -> list[str]:
    """Says what the names name; gives those that name nothing, and never did."""
    missing = [name for name, videos in found.counts.items() if not videos]
    before = {name: removal for name in missing if (removal := removed_since(run, name))}
    unknown = [name for name in missing if name not in before]
    for name, videos in list(found.counts.items())[:SHOWN]:
        if videos > 1:
            print(f"{name}: {videos:,} videos")
    for name, removal in list(before.items())[:SHOWN]:
        print(f"{name}: stays out since version {removal.version}, of {removal.date}")
    for name in unknown[:SHOWN]:
        print(f"{name}: {why_unknown(run, name)}")
    if len(unknown) > SHOWN:
        print(f"and {len(unknown) - SHOWN:,} more that are not in the run")
    return unknown


def why_unknown(run: Path, name: str) -> str:
    """What a name is that is none of a video: that of a part of one, or one of nothing in the run."""
    try:
        item = explained(run, name)
    except InputError as error:
        nearest = str(error).partition("; nearest: ")[2]
        return f"not in the run{f'; nearest: {nearest}' if nearest else ''}"
    return f"is a {item.key}, not a video: to take out all of its video say {[*item.above.values(), item.value][0]}"


def tell_task(task: Task) -> None:
    rows = ", ".join(f"{name} {count:,}" for name, count in task.rows.items())
    print(f"{len(task.videos):,} videos; rows: {rows or 'none'}")
    for name, shards in task.shards.items():
        print(f"{name}: {task.released.get(name, 0):,} rows in {shards:,} shards of the release")
    print(f"{len(task.files):,} files of media")
    if task.alike:
        print(
            f"like one that goes, and staying, are {len(task.alike):,} rows; to take one out as well, add it to ids=:"
        )
    for row in task.alike[:SHOWN]:
        print(f"  {row['alike']} is like {row['of']} ({row['how']}, {row['score']:.2f})")
    if len(task.alike) > SHOWN:
        print(f"  and {len(task.alike) - SHOWN:,} more")


def do(run: Path, task: Task) -> Mentions:
    start_s = time.monotonic()
    carry_out(run, task, print)
    took_s = time.monotonic() - start_s
    print(f"version {task.version} of the dataset, in {took_s:.1f} s (removals/{task.version:04d}.json)")
    print(
        "What was published before still has them: publish again, and let the old revisions go (on the Hub the history "
        "has to be squashed); what else was copied out of the run is not known here"
    )
    return task.mentions


def prove(run: Path, searched: list[Mentions]) -> int:
    """Searches all files for what was removed, and says how it went; 1 if something is left."""
    start_s, seen = time.monotonic(), []
    files = size = 0
    for mentions in searched:
        found = look(run, mentions)
        files, size = files + found.files, size + found.bytes
        seen += found.seen
    took = f"{files:,} files, {size:,} bytes searched in {time.monotonic() - start_s:.1f} s"
    if not seen:
        print(f"proof: {took}: nothing of it is left")
        return 0
    print(f"proof: {took}: {len(seen):,} still mention what was removed, and are not known here:")
    for place, how, what in seen[:SHOWN]:
        print(f"  {place}: {how} {what}")
    if len(seen) > SHOWN:
        print(f"  and {len(seen) - SHOWN:,} more")
    if any(Path(place).name in CONFIGS for place, _, _ in seen):
        print("what a config names is left to you: another run with another config, or python -m slurm drop")
    return 1


if __name__ == "__main__":
    with ending("what was begun is finished by the same command"):
        sys.exit(main(sys.argv[1:]))
