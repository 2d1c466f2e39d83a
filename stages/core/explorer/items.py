"""The items of the explorer, a row a clip, and a row a video of which there is no clip; what is kept comes first."""

from collections.abc import Sequence

import polars as pl

from slurm.record.manifest import Step
from stages.core.explorer.layout import Layout, Level

OUTCOMES = ("kept", "dropped", "failed")
BLOCK_ROWS = 4096  # items whose tables are in memory at the same time
ITEMS = {"id": pl.String(), "video_id": pl.String(), "clip": pl.Boolean(), "outcome": pl.UInt8(), "reason": pl.String()}
LOSS = {"id": pl.String(), "outcome": pl.UInt8(), "reason": pl.String()}


def list_items(layout: Layout) -> pl.DataFrame:
    """ITEMS of the run and their `row` and `block`: kept ones, dropped ones, failed ones, each in the run's order."""
    parts = [pl.DataFrame(schema=ITEMS)]
    if layout.clips:
        parts.append(judge(layout, "clip", ids_of(layout.clips, ["clip_id", "video_id"])))
    if layout.videos:
        videos = ids_of(layout.videos, ["video_id"])
        parts.append(judge(layout, "video", videos.join(parts[-1].select("video_id"), on="video_id", how="anti")))
    rows = pl.concat(parts).sort("outcome", maintain_order=True).with_row_index("row")
    return rows.with_columns(block=pl.col("row") // BLOCK_ROWS)


def ids_of(steps: Sequence[Step], keys: list[str]) -> pl.DataFrame:
    """Each id that a step has, once, in the order of the step that has most."""
    tables = [table.select(keys).drop_nulls() for step in steps if (table := step.scan()) is not None]
    found = [table.unique(keys[0], keep="first", maintain_order=True).collect() for table in tables]
    found.sort(key=len, reverse=True)
    return pl.concat(found).unique(keys[0], keep="first", maintain_order=True)


def judge(layout: Layout, level: Level, ids: pl.DataFrame) -> pl.DataFrame:
    """The ITEMS of these ids: what became of each, and the reason that the step nearest to the result has."""
    of_clips, chain = level == "clip", layout.chain(level)
    items = ids.select(id=pl.first(), video_id="video_id", clip=pl.lit(of_clips))
    losses = pl.concat([pl.DataFrame(schema=LOSS), *(loss_of(step, level) for step in chain)])
    reached = chain[0].kept().select(id=chain[0].plan.key, reached=pl.lit(True)).unique("id").collect()
    otherwise = f"not in {chain[0].name}"
    if not of_clips and layout.clips:
        losses = pl.concat([losses, *(loss_of(step, level) for step in layout.clips)])
        reached, otherwise = reached.clear(), "no clip of it"
    made = items.join(reached, on="id", how="left", maintain_order="left")
    made = made.join(losses.unique("id", keep="first", maintain_order=True), on="id", how="left", maintain_order="left")
    kept = pl.col("reached").is_not_null()
    outcome = pl.when(kept).then(0).otherwise(pl.col("outcome").fill_null(1)).cast(pl.UInt8)
    reason = pl.when(~kept).then(pl.col("reason").fill_null(otherwise))
    return made.select("id", "video_id", "clip", outcome=outcome, reason=reason)


def items_key(level: Level) -> str:
    return "clip_id" if level == "clip" else "video_id"


def loss_of(step: Step, level: Level) -> pl.DataFrame:
    """LOSS of the items that a step failed or dropped; of a video also what failed before it had a clip."""
    rows, key = step.scan(), items_key(level)
    marks = {
        name: pl.col(name) if name in step.plan.gives else pl.lit(None, pl.String) for name in ("error", "drop_reason")
    }
    if rows is None:
        return pl.DataFrame(schema=LOSS)
    if key != step.plan.key:
        rows = rows.filter(pl.col(step.plan.key).is_null())
    outcome = pl.when(marks["error"].is_not_null()).then(2).when(marks["drop_reason"].is_not_null()).then(1)
    said = rows.select(id=key, outcome=outcome.cast(pl.UInt8), reason=pl.coalesce(*marks.values()))
    return said.drop_nulls().collect()
