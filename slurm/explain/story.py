"""The whole way of one item of a run in words: a block a step, one line a point of a sweep."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from slurm.explain.find import find
from slurm.explain.standing import numbered, standing
from slurm.explain.verdict import Verdict, judges, show_number, verdicts
from slurm.explain.walk import CHUNK, KEPT, PLACE, Visit, walk
from slurm.screen import literal

LISTED = 5  # rows of a step that are listed
MOST_LETTERS = 60  # of a text
MARKS = ("error", "error_detail", "drop_reason", CHUNK, PLACE, KEPT)


def story(run: Path, text: str, rows: int = LISTED, only: str | None = None) -> str:
    """What the steps of a run (or `only` one) say of the item that `text` names; of each at most so many `rows`.

    Raises InputError if there is no such item.
    """
    item = find(run, text)
    above = "".join(f" of {key} {value}" for key, value in item.above.items())
    visits = [visit for visit in walk(run, item) if _is_shown(visit) and only in (None, visit.step.name)]
    points: dict[str, list[Visit]] = {}
    for visit in visits:
        base, point, _ = visit.step.name.partition("@")
        points.setdefault(f"{base}@" if point else visit.step.name, []).append(visit)
    lines = [f"[bold]{literal(f'{item.key} {item.value}')}[/]{literal(above)}, in run {literal(run.name)}"]
    for name, group in points.items():
        if name.endswith("@") and only is None:
            lines += [f"[bold]{literal(name.rstrip('@'))}[/], points of sweeps"]
            lines += [
                f"    {literal(visit.step.name.partition('@')[2])}  {literal(_headline(visit))}" for visit in group
            ]
        else:
            for visit in group:
                lines.append(f"[bold]{literal(visit.step.name)}[/]  {literal(_headline(visit))}")
                lines += [f"    {literal(line)}" for line in _details(visit, rows)]
    return "\n".join(lines)


def _is_shown(visit: Visit) -> bool:
    """Whether a step says anything of the item, or stands for all that it reads, as a report does."""
    return visit.column is not None or not visit.step.plan.keys


def _headline(visit: Visit) -> str:
    """Chunk, state and, of one row, its verdict; of several how many there are of each kind."""
    if visit.stop:
        return visit.stop if visit.stop.startswith(("waits", "no chunk")) else f"not reached: {visit.stop}"
    rows, step = visit.rows, visit.step
    told = "; ".join(f"{numbered(chunks)} {words}" for words, chunks in standing(visit).items())
    if visit.column is None or (not len(rows) and not visit.done):
        return told
    if not len(rows):
        return f"{told}: no row of it"
    if len(rows) > 1:
        return f"{told}: {_counts(rows)}"
    row = rows.row(0, named=True)
    name = "" if step.plan.key == visit.column else f"{row[step.plan.key]} "
    return f"{told}: {name}{_outcome(row, _of(row, visit, _judged(visit, rows)))}"


def _counts(rows: pl.DataFrame) -> str:
    """`18 rows: 15 kept, 3 dropped (too_short 3)`."""
    kinds = {"dropped": "drop_reason", "failed": "error"}
    parts = [f"{int(rows[KEPT].sum()):,} kept"]
    for kind, column in kinds.items():
        reasons = rows[column].drop_nulls().value_counts(sort=True) if column in rows.columns else rows.clear()
        if len(reasons):
            named = ", ".join(f"{reason} {number:,}" for reason, number in reasons.rows())
            parts.append(f"{int(reasons['count'].sum()):,} {kind} ({named})")
    return f"{len(rows):,} rows: {', '.join(parts)}"


def _details(visit: Visit, most: int) -> Iterator[str]:
    """What a step says of the item beside its headline: of one row its values and rules, else its first rows."""
    rows, step = visit.rows, visit.step
    judged = _judged(visit, rows.head(max(1, most)))
    if len(rows) == 1:
        row = rows.row(0, named=True)
        yield from (f"passes {verdict}" for verdict in _of(row, visit, judged) if not verdict.fails)
        if values := _values(step.plan.keys, row, step.plan.media):
            yield values
        yield from _file(visit, row)
        return
    lists = [name for name, kind in rows.schema.items() if kind.is_nested()]
    for row in rows.head(most).drop(lists).iter_rows(named=True):
        values = _values(step.plan.keys, row, step.plan.media)
        outcome = _outcome(row, _of(row, visit, judged))
        yield "  ".join(filter(None, [str(row[step.plan.key]), outcome, values]))
        yield from (f"    {line}" for line in _file(visit, row))
    if len(rows) > most:
        yield f"… and {len(rows) - most:,} more: rows={len(rows)} step={step.name} lists all"


def _judged(visit: Visit, rows: pl.DataFrame) -> dict[str, list[Verdict]]:
    return verdicts(visit.step, visit.done, rows) if judges(visit.step) and len(rows) else {}


def _of(row: Mapping[str, Any], visit: Visit, judged: Mapping[str, list[Verdict]]) -> list[Verdict]:
    return judged.get(str(row.get(visit.step.plan.item_key)), [])


def _outcome(row: Mapping[str, Any], judged: Sequence[Verdict]) -> str:
    """`kept`, `failed: corrupt: …`, or `dropped by motion.min: 0.1, limit 0.2; luma.max: 1, limit 0.98 would, too`."""
    if row.get("error") is not None:
        return ": ".join(filter(None, ["failed", row["error"], _flat(row.get("error_detail") or "")]))
    if (reason := row.get("drop_reason")) is None:
        return "kept"
    first, others = _failing(judged, reason)
    too = f"; {'; '.join(map(str, others))} would, too" if others else ""
    return f"dropped by {first or reason}{too}"


def _failing(judged: Sequence[Verdict], reason: str) -> tuple[Verdict | None, list[Verdict]]:
    """The verdict that is the reason, and the others that the row fails."""
    failing = [verdict for verdict in judged if verdict.fails]
    first = next((verdict for verdict in failing if f"{verdict.rule}.{verdict.fails}" == reason), None)
    return first, [verdict for verdict in failing if verdict is not first]


def _values(keys: Sequence[str], row: Mapping[str, Any], media: str | None) -> str:
    """The row's values that are not null, in one line: those of lists by their range."""
    shown = {name: value for name, value in row.items() if name not in (*keys, *MARKS, media)}
    return ", ".join(f"{name} {text}" for name, value in shown.items() if (text := _value(name, value)))


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        if all(isinstance(one, float | int) for one in value) and len(value) > 3:
            return f"{show_number(min(value))} to {show_number(max(value))} ({len(value)})"
        simple = all(isinstance(one, str | float | int) for one in value)
        return _short(f"[{', '.join(map(show_number, value))}]") if simple else f"({len(value)})"
    if value is None or isinstance(value, dict):
        return ""
    text = _flat(show_number(value))
    return text if name in ("path", "url") else _short(text)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"


def _file(visit: Visit, row: Mapping[str, Any]) -> Iterator[str]:
    """Where the row's file lies, if it has one, and whether it is there."""
    media = visit.step.plan.media
    if not media or not row.get(media):
        return
    written = Path(row[media])
    below = written.parts[written.parts.index("media") + 1 :] if "media" in written.parts else written.parts[-1:]
    here = visit.step.paths.media.joinpath(*below)  # a run may lie elsewhere by now than when it was made
    place = next((path for path in (written, here) if path.exists()), None)
    yield f"file {place}" if place else f"file {written} is gone"
