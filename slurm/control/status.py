"""What a person sees of a run: a line a step, what failed and why, and the story of one chunk."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from slurm.control.ends import whole_story
from slurm.control.held import advice
from slurm.control.nodes import avoided, failing
from slurm.control.pace import pace_of
from slurm.control.resume import load_cluster
from slurm.control.retry import decide
from slurm.control.survey import Survey, queue_of, survey
from slurm.errors import LOSSES, TRANSIENT
from slurm.owner import read, user_name
from slurm.pool.spending import show_spending
from slurm.record.cache import Cache
from slurm.record.chunks import borders_of
from slurm.record.done import Done, add_counters
from slurm.record.files import read_json
from slurm.record.manifest import Step, steps
from slurm.record.plan import differences
from slurm.screen import literal


def overview(run: Path, only: list[str] | None = None) -> RenderableType:
    """The table of a run's steps, and what failed in them. A column in which nothing stands is left out."""
    known: dict[str, Survey] = {}
    for name in only or steps(run):
        step = Step(run, name)
        known[name] = survey(step, known, Cache(step))
    surveys = list(known.values())
    cells = [{"step": literal(found.step.name), **_chunks(found), **_work(found)} for found in surveys]
    table = Table(title=literal(f"run {run.name}"), title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for title in cells[0] if cells else []:
        if title in ("step", "done") or any(cell[title] for cell in cells):
            table.add_column(title, justify="left" if title == "step" else "right", no_wrap=True)
    for cell in cells:
        table.add_row(*(cell[str(column.header)] for column in table.columns))
    troubles = [line for found in surveys for line in _troubles(found)]
    return Group(table, *troubles, *map(literal, show_spending(run)))


COLOURS = {"active": "cyan", "failed": "red", "lost": "red", "stale": "yellow"}


def _chunks(found: Survey) -> dict[str, str]:
    """The number of chunks in each state, as coloured text; nothing for none."""
    counts = found.counts()
    done = f"[green]{counts['done']:,}[/] of {found.step.plan.n:,}"
    shown = {state: f"{counts[state]:,}" if counts[state] else "" for state in (*COLOURS, "pending")}
    return {
        "done": done,
        **{s: f"[{COLOURS[s]}]{text}[/]" if text and s in COLOURS else text for s, text in shown.items()},
    }


def _work(found: Survey) -> dict[str, str]:
    """Rows in, out, failed and under way, rate, time left, CPU-, GPU- and wasted hours."""
    done, pace = list(found.done.values()), pace_of(found)
    rows, failed = sum(d.rows_in for d in done), sum(d.rows_failed for d in done)
    wasted_s = sum(d.wasted_s for d in done)
    wasted_s += sum(a.wasted_s for past in found.past.values() for a in past)
    return {
        "rows in": f"{rows:,}",
        "out": f"{sum(d.rows_out for d in done):,}",
        "kept": f"{sum(d.rows_kept for d in done):,}",
        "failed rows": f"{failed:,}" if failed else "",
        "under way": f"{pace.rows:,}" if pace.rows else "",
        "rows/s": f"{pace.rows_per_s:,.1f}" if pace.rows_per_s else "",
        "left": _duration(pace.left_s) if pace.left_s else "",
        "CPU h": _hours(sum(d.seconds * d.cpus for d in done)),
        "GPU h": _hours(sum(d.seconds * d.gpus for d in done)),
        "wasted": _hours(wasted_s),
    }


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.2f}" if seconds else ""


def _duration(seconds: float) -> str:
    return time.strftime("%-d d %H:%M:%S" if seconds >= 86400 else "%H:%M:%S", time.gmtime(seconds))


def _troubles(found: Survey) -> list[str]:
    """What a person should know of a step, a line each."""
    name = literal(found.step.name)
    lines = [f"[yellow]{name}: {line}" for line in [*_about_queue(found), *_about_input(found.step)]]
    for cause, number in Counter(found.failed.values()).most_common():
        chunk = min(c for c, why in found.failed.items() if why == cause)
        detail = literal(found.past[chunk][-1].detail.partition("\n")[0])
        lines.append(f"[red]{name}: {number:,} chunks failed: {cause}[/]  e.g. chunk {chunk}: {detail}")
    if found.broken:
        chunk, lacks = min(found.broken.items())
        lines.append(
            f"[yellow]{name}: {len(found.broken):,} finished chunks lack files[/]; e.g. chunk {chunk}: {literal(lacks)}"
        )
    if counters := add_counters(*(done.counters for done in found.done.values())):
        told = filter(None, [show_counters(counters), *show_shares(counters)])
        lines += [literal(f"{found.step.name}: {line}") for line in told]
    lines += [f"[yellow]{name}: {literal(words)}[/]" for words in newest_warnings(found.done.values()).values()]
    errors: Counter[str] = Counter()
    for done in found.done.values():
        if done.errors:
            errors.update(done.errors)
    for code, number in errors.most_common():
        then = " (resume tries them again)" if code in TRANSIENT else ""
        what = "good rows with a loss" if code in LOSSES else "rows with error"
        lines.append(f"{name}: {number:,} {what} [bold]{code}[/]{then}")
    aside = _set_aside(found) if found.failed else []
    if aside:
        lines.append(
            f"[red]{name}: {len(aside):,} chunks are set aside[/] (resume force=true tries them): {literal(aside[0])}"
        )
    return lines


def _about_queue(found: Survey) -> Iterator[str]:
    """What is the matter with its tasks in Slurm's queue."""
    if not found.queue_known:
        yield "Slurm does not answer; what runs is told from heartbeats only[/]"
    for line in advice(found.step, found.held):
        yield f"{literal(line)}[/]"
    if another := _asked_otherwise(found.step):
        yield f"Slurm was asked with your environment, not with cluster.env of {literal(another)}[/]"
    if failing(found.past.values()):
        for node, until_s in avoided(found.past.values(), load_cluster(found.step)).items():
            until = time.strftime("%H:%M", time.localtime(until_s))
            yield f"node {literal(node)} failed again and again[/]; avoided until {until}"


def _about_input(step: Step) -> Iterator[str]:
    """What has changed in its inputs that it does not follow by itself."""
    if lagging := _lags(step):
        yield f"has no chunks yet for what {literal(lagging)} got[/]; run with extend=true again"
    for earlier in _outdated(step):
        yield f"made from an earlier {literal(earlier)}[/]; run it again with overwrite=true"


def _asked_otherwise(step: Step) -> str:
    """The user whose run this is, if he set variables for Slurm's commands, which are not obeyed; else ""."""
    path = step.paths.cluster
    if not path.exists() or read(path, decides=False).obeyed:
        return ""
    raw = read_json(path)
    return user_name(path.stat().st_uid) if raw.get("env") or raw.get("env_file") else ""


def _lags(step: Step) -> str | None:
    """An input that was extended since the step was laid out over it: the command that extends was broken off."""
    covered = step.layouts[-1].inputs
    follows = step.plan.kind == "map" or step.plan.continues
    return next((name for name in step.plan.inputs if follows and step.other(name).plan.n > covered[name]), None)


def _outdated(step: Step) -> list[str]:
    """The inputs of a step that have another config now than when it was planned."""
    now = {name: Step(step.run, name).plan.fingerprint for name in step.plan.inputs}
    return [name for name, fingerprint in now.items() if fingerprint != step.plan.identity[f"upstream.{name}"]]


def _set_aside(found: Survey) -> list[str]:
    cluster = load_cluster(found.step)
    decisions = (decide(found.past[chunk], cluster, found.step.plan.policy.max_attempts) for chunk in found.failed)
    return [decision.why for decision in decisions if not decision.again]


def explain(run: Path, name: str, chunk: int) -> RenderableType:
    """Everything that is known of one chunk, and what becomes of it next."""
    step = Step(run, name)
    plan, found = step.plan, survey(step)
    lines: list[RenderableType] = [f"[bold]{literal(str(step))} chunk {chunk}: {found.state(chunk)}[/]"]
    source = step.input()
    if source is not None:
        where = f"chunk {chunk}" if plan.aligned else "rows " + _span(step, chunk)
        lines.append(f"reads {where} of {literal(str(source))}")
    record = step.record(chunk)
    if record:
        lines.append(
            f"part parts/{record.part}: {record.rows_in} in, {record.rows_out} out, {record.rows_kept} kept, "
            f"{record.rows_failed} failed {record.errors or ''} in {record.seconds:.1f} s on {record.host}"
        )
        if record.counters:
            lines += [literal(line) for line in (show_counters(record.counters), *show_shares(record.counters))]
        if record.fingerprint != plan.fingerprint:
            old = step.former_plan(record.fingerprint)
            changed = differences(old.identity, plan.identity) if old else ["(plan not kept)"]
            lines += ["stale, because this changed since:", *(literal(f"  {line}") for line in changed)]
    if chunk in found.broken:
        lines.append(literal(f"was finished, but {found.broken[chunk]}"))
    past = whole_story(step, chunk, queue_of(step))
    if past:
        table = Table("attempt", "node", "started", "took", "rows", "end", "detail", header_style="bold")
        for attempt in past:
            started = time.strftime("%m-%d %H:%M:%S", time.localtime(attempt.started))
            end = attempt.cause or ("running" if chunk in found.active and attempt == past[-1] else "no end recorded")
            took = f"{attempt.seconds:.1f} s"
            table.add_row(attempt.name, attempt.node, started, took, str(attempt.rows), end, literal(attempt.detail))
        lines += [table, literal(f"log: {past[-1].log}")]
    if record and record.fingerprint == plan.fingerprint and chunk in found.stale:
        lines.append(f"stale: {', '.join(plan.inputs)} has other rows since it was read")
    if chunk in found.active:
        lines.append(f"in the queue: {found.active[chunk]}")
        lines += [literal(line) for line in advice(step, {c: held for c, held in found.held.items() if c == chunk})]
    elif chunk not in found.done:
        decision = decide(past, load_cluster(step), plan.policy.max_attempts)
        then = f"submits it with {decision.mem_gb:g} GB, {decision.minutes} min" if decision.again else "sets it aside"
        because = found.broken.get(chunk, decision.why)
        why = f" ({because})" if because else ""
        lines.append(literal(f"next: python -m slurm resume run={run.name} {then}{why}"))
    return Group(*lines)


def show_counters(counters: Mapping[str, float]) -> str:
    """Counters of a stage's work in one line, but for those that `show_shares` shows."""
    shared = {whole for name in counters if (whole := _whole_of(name, counters))}
    plain = {name: value for name, value in counters.items() if name not in shared and not _whole_of(name, counters)}
    return ", ".join(f"{name} {value:,.10g}" for name, value in plain.items())


def show_shares(counters: Mapping[str, float]) -> Iterator[str]:
    """A line for each counter of which others count what alarms ("are refusals of texts" of "texts"): their shares.

    Only those that are not zero; all counters of which none is share one line.
    """
    clean = []
    for whole in dict.fromkeys(filter(None, (_whole_of(name, counters) for name in counters))):
        parts = {name: value for name, value in counters.items() if value and _whole_of(name, counters) == whole}
        if parts:
            shares = (f"{_share(value / counters[whole])} {name.partition(' of ')[0]}" for name, value in parts.items())
            yield f"of {counters[whole]:,.10g} {whole} {', '.join(shares)}"
        else:
            clean.append(f"{counters[whole]:,.10g} {whole}")
    if clean:
        yield f"{', '.join(clean)}: no alarm"


def _share(share: float) -> str:
    return f"{share:.2%}" if share >= 0.00005 else "under 0.01%"


def _whole_of(name: str, counters: Mapping[str, float]) -> str:
    whole = name.partition(" of ")[2]
    return whole if counters.get(whole) else ""


def newest_warnings(records: Iterable[Done]) -> dict[str, str]:
    """What a stage warned of, by name: as the chunk that was finished last says it."""
    newest: dict[str, str] = {}
    for record in sorted((record for record in records if record.warnings), key=lambda record: record.ended):
        newest |= record.warnings or {}
    return newest


def _span(step: Step, chunk: int) -> str:
    layout = step.layout_of(chunk)
    if not step.paths.borders_of(layout.number).exists():
        return "(not known before the first task)"
    borders = borders_of(step, chunk).borders
    more = f" of extension {layout.number}" if layout.number else ""
    return f"{borders[chunk - layout.first]}..{borders[chunk - layout.first + 1]}{more}"
