"""python -m slurm status|resume|watch|explain|logs|cancel run=NAME [step=NAME] [chunk=N] …"""

import gc
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.live import Live

from slurm.conf import wrong_values
from slurm.control.cancel import cancel
from slurm.control.clean import clean, drop
from slurm.control.resume import resume
from slurm.control.start import tell
from slurm.control.status import explain, overview
from slurm.control.survey import Survey, survey
from slurm.credentials import conceal_words
from slurm.ending import ROWS_STAY, ending
from slurm.errors import ITEM_CODES, InputError, check_name
from slurm.owner import reading, trust_as_said
from slurm.pool.registry import PoolFolder
from slurm.pool.spending import Budget, agree, check_priced, set_terms
from slurm.record.files import names
from slurm.record.history import history
from slurm.record.manifest import Step, steps
from slurm.record.paths import ROWS
from slurm.removals import refuse_unfinished
from slurm.screen import show, visible
from slurm.table import read_table, write_table
from slurm.words import Words, parse

USAGE = """\
python -m slurm status  run=NAME [step=NAME] [watch=SECONDS]   chunks, rows, failures, rates, hours
python -m slurm resume  run=NAME [step=NAME] [force=true] [cluster.KEY=VALUE]   submit what is unfinished and not queued
                                 [retry=CODE,…]                 and rows that failed with these errors, too
                                 [budget.tokens=N] [budget.money=M]   and spend more on answers of model servers
python -m slurm watch   run=NAME [every=60]                     resume in a loop until done
python -m slurm explain run=NAME step=NAME chunk=N              all that is known of a chunk
python -m slurm explain run=NAME id=ID [rows=5] [step=NAME]     the whole way of a row: ID is a key (a video, a clip, a
                                 frame, …), a path or URL of the catalogue, or the path of a clip
python -m slurm logs    run=NAME step=NAME chunk=N [lines=40]   the log of its last attempt
python -m slurm cancel  run=NAME [step=NAME]                    take its tasks out of the queue
python -m slurm table   run=NAME step=NAME out=FILE [table=NAME] [kept=true] [catalogue=true]   a table as one file
python -m slurm clean   run=NAME                                free what was replaced, and what killed tasks left
python -m slurm drop    run=NAME step=NAME[,NAME]               remove steps that no other step reads
python -m slurm serve   run=NAME pool=NAME [replicas=N] [cluster=slurm] [engine=tgi]   start model servers
python -m slurm serve   run=NAME pool=NAME status|stop
Every command takes runs=DIR (default: runs), and those that change a run cluster.trust=[USER,…]: whose files in it
may say what is executed, beside your own."""

HELP = ("-h", "--help", "help")
INTERRUPTED = {  # what Ctrl-C leaves, where it is not ROWS_STAY
    **dict.fromkeys(("status", "explain", "logs", "table"), "the run itself goes on"),
    **dict.fromkeys(("clean", "drop"), "what is not removed yet is still there"),
    "serve": "the servers that this command ran here have ended, those that are jobs go on",
}

READERS = {"status", "explain", "logs", "table"}  # they execute nothing that a run says: it may be anybody's
STILL_S = 30.0  # until a task that waits for others counts as stuck: a busy Slurm is slow to see that these have ended
IN_VAIN = 3  # times that a chunk is submitted again while no chunk gets done


def main(arguments: list[str]) -> int:
    commands: dict[str, tuple[Callable[[Path, Words], int], str]] = {
        "status": (status, "step watch"),
        "resume": (resume_command, "step force cluster budget retry"),
        "watch": (watch, "every step cluster budget"),
        "explain": (explain_command, "step chunk id rows"),
        "logs": (logs, "step chunk lines"),
        "cancel": (cancel_command, "step"),
        "table": (table, "step table kept catalogue out"),
        "clean": (clean_command, ""),
        "drop": (drop_command, "step"),
    }
    if not arguments or arguments[0] in HELP:
        print(USAGE)
        return 0
    if arguments[0] in (*commands, "serve") and {*arguments[1:]} & {*HELP[:2]}:
        print(usage(arguments[0]))
        return 0
    if arguments[0] == "serve":
        from slurm.pool.serve import serve  # here, since the other commands need none of it

        return serve(arguments[1:])
    if arguments[0] not in commands:
        raise InputError(f"unknown command {arguments[0]!r}; there are: {', '.join([*commands, 'serve'])}")
    command, known = commands[arguments[0]]
    conceal_words(arguments)
    words = parse(arguments[1:], known.split())
    run = (Path(words.pop("runs", "runs")).expanduser() / words["run"]).absolute()
    trust_as_said(arguments, run)
    with reading() if arguments[0] in READERS else nullcontext():
        return act(command, run, words)


def act(command: Callable[[Path, Words], int], run: Path, words: Words) -> int:
    """Calls a command for a run, which must be there."""
    check_name("run", words.pop("run"), run.parent)
    for name in words.get("step", "").split(",") if "step" in words else ():
        check_name("step", name, run)
    if not steps(run):
        there = sorted(p.name for p in run.parent.glob("*") if steps(p)) if run.parent.is_dir() else []
        raise InputError(f"no run {run.name!r} in {run.parent}/; there are: {', '.join(there) or 'none'}")
    return command(run, words)


def usage(command: str) -> str:
    """The lines of USAGE about one command, and what every command takes."""
    *lines, common = USAGE.splitlines()
    found, about = [], False
    for line in lines:
        about = line.startswith(f"python -m slurm {command} ") or (about and line.startswith(" "))
        found += [line] if about else []
    more = "It takes the keys of conf/serve.yaml, pool.KEY=, engine.KEY= and cluster.KEY= as well."
    return "\n".join([*found, *([more] if command == "serve" else []), common])


def _only(run: Path, words: Words) -> list[str] | None:
    return [Step(run, words["step"]).name] if "step" in words and Step(run, words["step"]).plan else None


def status(run: Path, words: Words) -> int:
    only = _only(run, words)
    if "watch" not in words:
        show(overview(run, only))
        return 0
    with Live(overview(run, only), console=Console(), auto_refresh=False) as live:
        while True:
            time.sleep(words["watch"])
            live.update(overview(run, only), refresh=True)


def resume_command(run: Path, words: Words) -> int:
    retry = list(filter(None, words.get("retry", "").split(",")))
    if unknown := [code for code in retry if code not in ITEM_CODES]:
        raise InputError(f"retry={unknown[0]}: no such error; there are: {', '.join(ITEM_CODES)}")
    refuse_unfinished(run)
    raise_budget(run, words)
    results = resume(run, _only(run, words), words.get("cluster"), words.get("force", False), retry)
    tell(results)
    return 0 if all(result.unhindered for result in results.values()) else 1


def raise_budget(run: Path, words: Words) -> None:
    """Sets what the words say of the run's budget. Raises InputError for a value that is none."""
    if "budget" not in words:
        return
    try:
        budget = TypeAdapter(Budget).validate_python({"tokens": None, "money": None, **words["budget"]})
    except ValidationError as error:
        raise InputError(wrong_values(error, lambda loc: f"budget.{loc[0]}")) from None
    terms = agree(run, budget)
    for pool in (PoolFolder(run, name) for name in names(run / "pools")):
        if pool.exists:
            check_priced(terms, pool.settings.pool.model)
    set_terms(run, terms)


def watch(run: Path, words: Words) -> int:
    """Resumes until everything is done (0), or until nothing more can be, as where all waits for held tasks (1)."""
    refuse_unfinished(run)
    raise_budget(run, words)
    before, again, moved = -1, Counter[tuple[str, int]](), time.monotonic()
    while True:
        results = resume(run, _only(run, words), words.get("cluster"))
        tell(results)
        redone = any(r.submitted or r.survey.redone for r in results.values())
        if not redone and all(result.survey.complete() for result in results.values()):
            return 0
        if not any(r.submitted or r.survey.active or not r.survey.queue_known for r in results.values()):
            return 1
        done = sum(len(result.survey.done) for result in results.values())
        if done > before:
            again.clear()
        again.update((name, chunk) for name, result in results.items() for chunk in result.submitted)
        if max(again.values(), default=0) > IN_VAIN:
            print(f"{IN_VAIN} resumes got nothing done: see python -m slurm status run={run.name}")
            return 1
        if done > before or any(moves(r.survey) or r.submitted for r in results.values()):
            moved = time.monotonic()
        elif time.monotonic() - moved > STILL_S:
            print("nothing goes on before these tasks are released or cancelled")
            return 1
        before = done
        time.sleep(words.get("every", 60))


def moves(found: Survey) -> bool:
    """Whether a task of a step will end without anybody's help: none that is held, or waits for other tasks."""
    if not found.queue_known:
        return True
    return any(state != "PENDING Dependency" and chunk not in found.held for chunk, state in found.active.items())


def _chunk(run: Path, words: Words) -> tuple[Step, int]:
    if "step" not in words or "chunk" not in words:
        raise InputError("say which chunk: step=NAME chunk=N")
    step, chunk = Step(run, words["step"]), words["chunk"]
    if not 0 <= chunk < step.plan.n:
        raise InputError(f"{step} has the chunks 0 to {step.plan.n - 1}, not {chunk}")
    return step, chunk


def explain_command(run: Path, words: Words) -> int:
    if "id" in words:
        from slurm.explain.story import LISTED, story  # here, since the other commands need none of it

        if "chunk" in words:
            raise InputError("say either id= or step= and chunk=")
        show(story(run, words["id"], words.get("rows", LISTED), *(_only(run, words) or ())))
        return 0
    step, chunk = _chunk(run, words)
    show(explain(run, step.name, chunk))
    return 0


def logs(run: Path, words: Words) -> int:
    step, chunk = _chunk(run, words)
    past = survey(step).past.get(chunk) or history(step, chunk)
    if not past:
        raise InputError(f"{step} chunk {chunk} has no log: it was not tried yet")
    if not past[-1].log:
        raise InputError(f"{step} chunk {chunk} has no log: it ran in the process that submitted it")
    print(f"==> {past[-1].log}")
    tail = subprocess.run(
        ["tail", "-n", str(words.get("lines", 40)), "--", past[-1].log],
        stdout=subprocess.PIPE,
        errors="replace",
        check=False,
    )
    print(visible(tail.stdout), end="")
    return tail.returncode


def cancel_command(run: Path, words: Words) -> int:
    """Cancels the queued and running tasks; what they flushed stays."""
    for name in _only(run, words) or steps(run):
        step = Step(run, name)
        jobs = cancel(step)
        print(f"{name}: {'cancelled job ' + ', '.join(jobs) if jobs else 'nothing in the queue'}")
    return 0


def table(run: Path, words: Words) -> int:
    """Writes a table of a step, as its finished chunks have it now."""
    if "step" not in words or "out" not in words:
        raise InputError("say which table, and where it is to be written: step=NAME out=FILE.parquet")
    named = words.get("table", ROWS)
    rows = read_table(run, words["step"], named, kept=words.get("kept", False), catalogue=words.get("catalogue", False))
    write_table(rows, Path(words["out"]).expanduser())
    print(f"{words['out']}: {named} of {run.name}/{words['step']}")
    return 0


def clean_command(run: Path, words: Words) -> int:
    freed = clean(run)
    for name, size in freed.items():
        print(f"{name}: {size:,} bytes")
    print(f"{sum(freed.values()):,} bytes are free again")
    return 0


def drop_command(run: Path, words: Words) -> int:
    if "step" not in words:
        raise InputError("say which step: step=NAME")
    print("\n".join(drop(run, words["step"].split(","))))
    return 0


if __name__ == "__main__":
    gc.set_threshold(1_000_000)  # a survey makes many small objects and no cycles; looking for these took a sixth of it
    with ending(INTERRUPTED.get("".join(sys.argv[1:2]), ROWS_STAY)):
        code = main(sys.argv[1:])
    sys.exit(code)
