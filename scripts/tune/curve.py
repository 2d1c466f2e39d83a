"""How many rows and hours each threshold keeps: at every value if there are few, else at evenly spaced quantiles."""

import numpy as np
import polars as pl

from scripts.tune.scores import Scores

MOST = 500  # thresholds of the slider


def make_curve(scores: Scores) -> pl.DataFrame:
    """threshold, rows, hours of what is kept, by threshold; hours are null where no length is known.

    The threshold that was asked for is one of them, and one just beyond the values that keeps nothing.
    """
    known = scores.known
    counts = known.group_by("value", maintain_order=True).agg(rows=pl.len(), hours=pl.col("hours").sum())
    sums = counts.select(
        threshold="value", rows=pl.col("rows").cum_sum().cast(pl.Int64), hours=pl.col("hours").cum_sum()
    )
    if len(sums) > MOST:
        targets = np.linspace(1, len(known), MOST)
        sums = sums[np.unique(np.searchsorted(sums["rows"].to_numpy(), targets))]
    first, sign = known["value"][0], -1.0 if scores.keep == "below" else 1.0
    none = float(np.nextafter(first, sign * np.inf))
    ends = [none, scores.threshold]
    kept = [known.select(scores.kept(at).sum().cast(pl.Int64)).item() for at in ends]
    hours = [float(known["hours"].head(rows).sum()) for rows in kept]
    more = pl.DataFrame({"threshold": ends, "rows": kept, "hours": hours}, schema=sums.schema)
    curve = pl.concat([sums, more]).unique("threshold").sort("threshold")
    return curve if known["hours"].count() else curve.with_columns(hours=pl.lit(None, pl.Float64))
