"""What became of each step's rows: kept, dropped or failed, by reason and by source, with the amount of video."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from slurm.errors import ITEM_CODES, TRANSIENT
from slurm.record.manifest import Step
from stages.core.report.flow.lineage import MICROSECONDS, outcomes, read_lengths, unit
from stages.core.report.flow.sources import NO_SOURCES, Sources

EXAMPLES = 5  # of a class of errors


class Amount(NamedTuple):
    """Rows, the total seconds of video of those with a known length, and the number of those without."""

    rows: int
    seconds: float
    unknown: int


NOTHING = Amount(0, 0.0, 0)


def add(amounts: Iterable[Amount]) -> Amount:
    rows, us, unknown = 0, 0, 0
    for amount in amounts:
        rows, unknown = rows + amount.rows, unknown + amount.unknown
        us += round(amount.seconds * MICROSECONDS)
    return Amount(rows, us / MICROSECONDS, unknown)


class Loss(NamedTuple):
    """Rows of a step lost for one reason; the examples are the first ones by id that failed, with their details."""

    kind: str  # "dropped" or "failed"
    reason: str
    amount: Amount
    examples: list[tuple[str, str]]

    @property
    def meaning(self) -> str:
        return ITEM_CODES.get(self.reason, "–")

    @property
    def passing(self) -> bool:
        """Whether `resume` tries these rows again."""
        return self.reason in TRANSIENT


@dataclass(frozen=True)
class Flow:
    """The rows of a step. `rows_in` and `items_failed` count its input items, whose unit may be another."""

    step: Step
    unit: str
    unit_in: str
    rows_in: int | None  # None: a reduce step, which reads whole tables
    items_failed: int
    kept: Amount
    losses: list[Loss]
    left_out: dict[str, int]  # rows and sidecars of a source that are not in the catalogue, by reason
    by_source: dict[tuple[int, str], Amount] = field(default_factory=dict)  # by number of the source, and kind

    def lost(self, kind: str) -> int:
        return sum(loss.amount.rows for loss in self.losses if loss.kind == kind)

    @property
    def rows_out(self) -> int:
        return self.kept.rows + self.lost("dropped") + self.lost("failed")


def read_flows(steps: Iterable[Step], sources: Sources) -> list[Flow]:
    """The flow of each step."""
    flows = [read_flow(step, sources) for step in steps]
    read_lengths.cache_clear()  # 16 bytes a row
    return flows


def read_flow(step: Step, sources: Sources = NO_SOURCES) -> Flow:
    """The flow of a step, from its finished chunks. Losses are sorted: failures first, then by size."""
    rows = outcomes(step).join(sources.numbers.lazy(), on="video", how="left")
    counted = (
        rows.group_by("kind", "reason", "source")
        .agg(
            rows=pl.len(),
            us=pl.col("length_us").sum(),
            unknown=pl.col("length_us").is_null().sum(),
        )
        .collect(engine="streaming")
    )
    of_reasons, of_sources = defaultdict(list), defaultdict(list)
    for row in counted.iter_rows(named=True):
        amount = Amount(row["rows"], row["us"] / MICROSECONDS, row["unknown"])
        of_reasons[row["kind"], row["reason"]].append(amount)
        if row["source"] is not None:
            of_sources[row["source"], row["kind"]].append(amount)
    losses = [
        Loss(kind, reason, add(amounts), failed_examples(step, reason) if kind == "failed" else [])
        for (kind, reason), amounts in of_reasons.items()
        if kind != "kept"
    ]
    records = step.all_done()
    return Flow(
        step=step,
        unit=unit(step.plan.key),
        unit_in=unit(step.plan.item_key),
        rows_in=sum(d.rows_in for d in records) if step.plan.item_keys else None,
        items_failed=sum(d.rows_failed for d in records),
        kept=add(of_reasons.get(("kept", None), [])),
        losses=sorted(losses, key=lambda loss: (loss.kind != "failed", -loss.amount.rows, loss.reason)),
        left_out=left_out(step),
        by_source={key: add(amounts) for key, amounts in of_sources.items()},
    )


def failed_examples(step: Step, reason: str) -> list[tuple[str, str]]:
    """The first rows by id that failed so, and what is said of each."""
    rows, key, gives = step.scan(), step.plan.key, step.plan.gives
    if rows is None or key not in gives:
        return []
    detail = pl.col("error_detail") if "error_detail" in gives else pl.lit("")
    failed = rows.filter(pl.col("error") == reason).select(id=key, detail=detail.fill_null(""))
    return failed.bottom_k(EXAMPLES, by=["id", "detail"]).collect(engine="streaming").sort("id", "detail").rows()


def left_out(step: Step) -> dict[str, int]:
    counted = step.scan("left_out") if "left_out" in step.plan.tables else None
    return {} if counted is None else dict(counted.select("reason", "rows").collect().iter_rows())
