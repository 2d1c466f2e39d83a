"""Made-up rows for the stage balance, as its parts take them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl

from stages.core.balance.choose import FULL, KEEP
from stages.core.balance.eligible import judge
from stages.core.balance.select import Selection, Target, select
from stages.core.balance.settings import Caps, Columns

COLUMNS = Columns("category", "duration_s", ["channel_id"], "followers")
ACTIVITY = {"comments": 0.2, "views": 0.5, "likes": 0.3}
FREE = Caps(None, None, None, None)


def catalogue(rows: int, seed: int, *, categories: int = 5, channels: int = 40, mean_s: float = 300.0) -> pl.DataFrame:
    """Videos with a few rich and many poor categories and channels, and lengths that differ tenfold and more."""
    random = np.random.default_rng(seed)
    views = np.exp(random.normal(7, 2.5, rows))
    return pl.DataFrame(
        {
            "video_id": [f"v{n:06d}" for n in range(rows)],
            "category": [f"category {n}" for n in np.minimum(random.geometric(0.4, rows), categories)],
            "duration_s": np.exp(random.normal(0, 0.8, rows)) * mean_s,
            "views": views.astype(int),
            "likes": (views * random.beta(1, 30, rows)).astype(int),
            "comments": (views * random.beta(1, 200, rows)).astype(int),
            "channel_id": [f"c{n}" for n in random.zipf(1.5, rows) % channels],
            "followers": random.integers(0, 1000, rows),
        }
    )


def target(hours: float, **changes: Any) -> Target:
    given = {
        "shares": {},
        "alpha": 0.0,
        "activity": ACTIVITY,
        "damping": 0.1,
        "relax": "hours",
        "caps": FREE,
        "seed": 0,
    }
    return Target(hours, **{**given, **changes})


def balanced(
    rows: pl.DataFrame,
    wanted: Target,
    *,
    known: Sequence[str] | None = None,
    kept: Collection[str] = (),
    **changes: Any,
) -> tuple[pl.DataFrame, Selection]:
    """The rows with what became of each, and the selection; `changes` are those of `judge`."""
    discarded = [name for name, share in wanted.shares.items() if not share]
    given = {"known": known, "discarded": discarded, "unknown": "refuse", "without_channel": "alone"}
    judged = judge(rows, COLUMNS, wanted.activity, **{**given, **changes})
    keys = [name for name in ("clip_id", "video_id") if name in rows.columns]
    fate = pl.when(pl.col(keys[0]).is_in(list(kept))).then(KEEP).cast(pl.UInt8)
    selection = select(rows.select(*keys, fate=fate).hstack(judged), keys, known, wanted)
    assert FULL == 0
    return rows.hstack(selection.rows), selection


def chosen(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("drop_reason").is_null())


def hours(rows: pl.DataFrame) -> float:
    return float(rows["duration_s"].sum()) / 3600
