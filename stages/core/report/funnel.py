"""What became of each step's rows: kept, dropped or failed, by reason, with the amount of video."""

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from slurm.errors import ITEM_CODES
from slurm.record.manifest import Step
from stages.core.report.lineage import outcomes, unit


class Amount(NamedTuple):
    """Rows, the total seconds of video of those with a known length, and the number of those without."""

    rows: int
    seconds: float
    unknown: int


NOTHING = Amount(0, 0.0, 0)


class Loss(NamedTuple):
    """Rows of a step dropped or failed for one reason; the example is the first by id."""

    kind: str  # "dropped" or "failed"
    reason: str
    amount: Amount
    example: str
    detail: str

    @property
    def meaning(self) -> str:
        return ITEM_CODES.get(self.reason, "–")


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

    def lost(self, kind: str) -> int:
        return sum(loss.amount.rows for loss in self.losses if loss.kind == kind)

    @property
    def rows_out(self) -> int:
        return self.kept.rows + self.lost("dropped") + self.lost("failed")


def read_flow(step: Step) -> Flow:
    """The flow of a step, from its finished chunks. Losses are sorted: failures first, then by size."""
    counted = (
        outcomes(step)
        .group_by("kind", "reason")
        .agg(
            rows=pl.len(),
            seconds=pl.col("duration_s").sum(),
            unknown=pl.col("duration_s").is_null().sum(),
            example=pl.when(pl.col("kind") != "kept").then(pl.col("id")).sort_by("id").first(),
            detail=pl.when(pl.col("kind") == "failed").then(pl.col("detail")).sort_by("id").first(),
        )
        .sort(pl.col("kind") != "failed", -pl.col("rows").cast(pl.Int64), "reason")
        .collect()
    )
    amounts = [Amount(row["rows"], row["seconds"], row["unknown"]) for row in counted.iter_rows(named=True)]
    losses, kept = [], NOTHING
    for row, amount in zip(counted.iter_rows(named=True), amounts, strict=True):
        if row["kind"] == "kept":
            kept = amount
        else:
            losses.append(Loss(row["kind"], row["reason"], amount, row["example"] or "", row["detail"] or ""))
    records = step.all_done()
    return Flow(
        step=step,
        unit=unit(step.plan.key),
        unit_in=unit(step.plan.item_key),
        rows_in=sum(d.rows_in for d in records) if step.plan.item_keys else None,
        items_failed=sum(d.rows_failed for d in records),
        kept=kept,
        losses=losses,
        left_out=left_out(step),
    )


def left_out(step: Step) -> dict[str, int]:
    counted = step.scan("left_out") if "left_out" in step.plan.tables else None
    return {} if counted is None else dict(counted.select("reason", "rows").collect().iter_rows())
