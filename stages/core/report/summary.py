"""What of the figures stands at the top of the page, and what is kept of each source."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stages.core.report.charts import formatting
from stages.core.report.flow.costs import Cost
from stages.core.report.flow.funnel import NOTHING, Amount, Flow, add
from stages.core.report.flow.sources import Sources

ALL = ("kept", "dropped", "failed")


class Way(NamedTuple):
    """The steps by which what is kept is counted: those whose rows have a length."""

    first: Flow  # the first one: the catalogue
    measured: Flow | None  # the first one that knows the length of its rows
    made: Flow  # the first one with rows of the last one's unit
    last: Flow


class SourceRow(NamedTuple):
    """Of a source; hours are None where no length is known."""

    name: str
    videos: int
    failed: int  # rows of all steps
    read: Amount
    made: Amount
    kept: Amount


def find_way(flows: Sequence[Flow]) -> Way | None:
    """None where no step tells how long its rows are, and none reads a source."""
    lasting = {flow.unit for flow in flows if "duration_s" in flow.step.plan.gives}
    media = [flow for flow in flows if flow.unit in lasting]
    if not media:
        return None
    known = [flow for flow in media if flow.kept.rows and flow.kept.unknown < flow.kept.rows]
    measured = next((flow for flow in known if not flow.kept.unknown), known[0] if known else None)
    last = media[-1]
    made = next(flow for flow in media if flow.unit == last.unit)
    return Way(media[0], measured, made, last)


def sum_up(flows: Sequence[Flow], costs: Sequence[Cost], currency: str) -> list[tuple[str, str, str]]:
    """The large figures at the top: (figure, caption, detail)."""
    made: list[tuple[str, str, str]] = []
    way = find_way(flows)
    if way is not None:
        made.append((formatting.count(way.first.rows_out), way.first.unit, f"out of {way.first.step.name}"))
        if way.measured is not None:
            made.append((formatting.length(way.measured.kept), "of video", f"after {way.measured.step.name}"))
        if way.last is not way.first:
            made.append((formatting.count(way.last.kept.rows), f"{way.last.unit} kept", f"after {way.last.step.name}"))
            whole = way.measured.kept if way.measured else NOTHING
            known = whole.seconds and not way.last.kept.unknown
            share = f"{formatting.share(way.last.kept.seconds, whole.seconds)} of the video" if known else ""
            made.append((formatting.length(way.last.kept), "kept", share))
    failed = sum(flow.lost("failed") for flow in flows)
    made.append((formatting.count(failed), "failed", "rows of all steps"))
    cpu_s, gpu_s, wasted_s = (sum(getattr(cost, name) for cost in costs) for name in ("cpu_s", "gpu_s", "wasted_s"))
    made.append((formatting.seconds(cpu_s), "CPU time", f"{formatting.seconds(wasted_s)} wasted"))
    if gpu_s:
        made.append((formatting.seconds(gpu_s), "GPU time", ""))
    if (money := add_money(costs)) is not None:
        made.append((formatting.money(money, currency), "spent", "by the prices that were set"))
    return made


def add_money(costs: Sequence[Cost]) -> float | None:
    known = [cost.money for cost in costs if cost.money is not None]
    return sum(known) if known else None


def kept_hours(flows: Sequence[Flow]) -> float | None:
    """The hours that the run keeps in the end; None if they are not known, or none."""
    way = find_way(flows)
    return way.last.kept.seconds / 3600 or None if way else None


def by_source(flows: Sequence[Flow], sources: Sources) -> list[SourceRow]:
    """What is kept of each source, those with most videos first."""
    way = find_way(flows)
    if way is None:
        return []
    return [
        SourceRow(
            name,
            amount(way.first.by_source, number, ALL).rows,
            sum(amount(flow.by_source, number, ("failed",)).rows for flow in flows),
            amount(way.measured.by_source, number, ("kept",)) if way.measured else NOTHING,
            amount(way.made.by_source, number, ALL),
            amount(way.last.by_source, number, ("kept",)),
        )
        for number, name in enumerate(sources.names)
    ]


def amount(found: Mapping[tuple[int, str], Amount], source: int, kinds: Sequence[str]) -> Amount:
    return add(found[source, kind] for kind in kinds if (source, kind) in found)


class ClassRow(NamedTuple):
    """A class of errors over all steps."""

    code: str
    rows: int
    steps: dict[str, int]
    passing: bool  # `resume` tries these rows again
    meaning: str


def by_class(flows: Sequence[Flow]) -> list[ClassRow]:
    """The classes of errors, the most frequent first."""
    found: dict[str, ClassRow] = {}
    for flow in flows:
        for loss in flow.losses:
            if loss.kind == "failed":
                row = found.setdefault(loss.reason, ClassRow(loss.reason, 0, {}, loss.passing, loss.meaning))
                row.steps[flow.step.name] = loss.amount.rows
                found[loss.reason] = row._replace(rows=row.rows + loss.amount.rows)
    return sorted(found.values(), key=lambda row: (-row.rows, row.code))
