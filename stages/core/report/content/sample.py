"""Some of a step's rows, of which pictures are chosen: a few thousand of a million, of every source and every reason.

All rows where they are few. Of more, those of some videos, and of these some of their rows, both by the hash of their
ids, so that it is the same ones each time; and all rows that were lost for a rare reason.
"""

from collections.abc import Sequence

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.flow.lineage import hashed, lineage
from stages.core.report.flow.sources import NO_SOURCES, Sources

FEW = 20_000  # rows that are all taken
VIDEOS = 1_000  # of more, so many videos of each source …
ROWS_A_VIDEO = 8  # … and so many rows of each of these, on average
RARE = 1_000  # rows of a reason that are all taken
SEED = 17  # of another hash than the one by which rows are matched
SPAN = {"id": pl.String(), "video_id": pl.String(), "start_s": pl.Float64(), "end_s": pl.Float64()}
HASHES = 2.0**64


def read_outcomes(last: Step, sources: Sources = NO_SOURCES, only: pl.DataFrame | None = None) -> pl.DataFrame:
    """SPAN of some rows, their `source`, and `reason`, why the last step has not kept them; null if it has.

    `only` has the hashes of videos (`video`) whose rows are looked at; None: all.
    """
    key = last.plan.key
    chain = [s for s in lineage(last) if s.plan.key == key and {key, "video_id"} <= s.plan.gives.keys()]
    first = next((s for s in reversed(chain) if "start_s" in s.plan.gives), chain[-1])
    table = first.scan()
    if table is None:
        return pl.DataFrame(schema={**SPAN, "reason": pl.String(), "source": pl.String()})
    losses = read_losses(chain)
    spans = {name: name if name in first.plan.gives else pl.lit(None, pl.Float64) for name in ("start_s", "end_s")}
    rows = table.select(pl.col(key).alias("id"), "video_id", **spans).drop_nulls("id")
    if only is not None:
        rows = rows.with_columns(video=hashed("video_id")).join(only.lazy(), on="video", how="semi").drop("video")
    chosen = choose(rows, losses, sources).unique("id", keep="first", maintain_order=True)
    ids = chosen.select("id").lazy()
    kept = last.kept().select(id=key, reason=pl.lit(None, pl.String)).join(ids, on="id", how="semi")
    *lost, kept_ids = pl.collect_all(
        [*(rows.join(ids, on="id", how="semi") for rows in losses), kept], engine="streaming"
    )
    reasons = pl.concat([*lost, kept_ids]).unique("id", keep="first", maintain_order=True)
    known = reasons.with_columns(known=pl.lit(value=True))
    other = pl.when(pl.col("known").is_null()).then(pl.lit(f"not in {last.name}")).otherwise("reason")
    chosen = chosen.join(known, on="id", how="left", maintain_order="left").with_columns(reason=other).drop("known")
    of_videos = read_columns(last, ("source",), chosen["video_id"])
    return chosen.join(of_videos, on="video_id", how="left", maintain_order="left")


def read_losses(chain: Sequence[Step]) -> list[pl.LazyFrame]:
    """`id` and `reason` of the rows that each step lost, the first step's first."""
    losses = []
    for step in reversed(chain):
        reasons = [pl.col(name) for name in ("error", "drop_reason") if name in step.plan.gives]
        rows = step.scan()
        if reasons and rows is not None:
            losses.append(rows.select(id=step.plan.key, reason=pl.coalesce(reasons)).drop_nulls())
    return losses


def rare_ids(losses: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """The ids of rows that were lost for reasons which few rows have."""
    found = [pl.DataFrame(schema={"id": pl.String()})]
    for rows in losses:
        counted = rows.group_by("reason").len().collect(engine="streaming")
        rare = counted.filter(pl.col("len") <= RARE)["reason"]
        if len(rare):
            own = rows.filter(pl.col("reason").is_in(rare.implode())).select("id")
            found.append(own.collect(engine="streaming"))
    return pl.concat(found).unique(maintain_order=True)


def choose(rows: pl.LazyFrame, losses: Sequence[pl.LazyFrame], sources: Sources) -> pl.DataFrame:
    """The rows, or some of them if they are many."""
    order = ("id", "video_id", "start_s")
    named = rows.with_columns(video=hashed("video_id"))
    sizes = named.group_by("video").agg(own=pl.len()).collect(engine="streaming")
    if sizes["own"].sum() <= FEW:
        return rows.collect(engine="streaming").sort(order)
    sizes = sizes.join(sources.numbers, on="video", how="left")
    some = sizes.filter(pl.col("video").hash(SEED) / HASHES < VIDEOS / pl.len().over("source")).drop("source")
    share = pl.min_horizontal(pl.lit(1.0), ROWS_A_VIDEO / pl.col("own"))
    of_some = named.join(some.lazy(), on="video").filter(pl.col("id").hash(SEED) / HASHES < share)
    of_rare = rows.join(rare_ids(losses).lazy(), on="id", how="semi")
    parts = pl.collect_all([part.select([*SPAN]) for part in (of_some, of_rare)], engine="streaming")
    return pl.concat(parts).sort(order)


def read_columns(last: Step, columns: Sequence[str], videos: pl.Series) -> pl.DataFrame:
    """`video_id` of these videos, and these columns, each as the nearest step has it that knows it; null: unknown."""
    found = pl.DataFrame({"video_id": videos.unique(maintain_order=True)}, schema={"video_id": pl.String()})
    givers = {
        name: next(
            (s for s in lineage(last) if s.plan.key == "video_id" and {name, "video_id"} <= s.plan.gives.keys()), None
        )
        for name in columns
    }
    for giver in dict.fromkeys(givers.values()):
        own = [name for name in columns if givers[name] is giver]
        table = giver.scan() if giver else None
        if table is None:
            found = found.with_columns(pl.lit(None, pl.String).alias(name) for name in own)
        else:
            known = table.filter(pl.col("video_id").is_in(found["video_id"].implode())).select("video_id", *own)
            once = known.collect(engine="streaming").unique("video_id", keep="first", maintain_order=True)
            found = found.join(once, on="video_id", how="left", maintain_order="left")
    return found.select("video_id", *columns)
