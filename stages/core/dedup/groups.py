"""Which row of each group is kept: every other row of a group is like the one that is kept itself.

A star, no chain. Where a is like b, and b like c, a and c may have nothing in common (two halves of one film and the
whole, pictures that change little by little), and in a large collection such chains join thousands of unlike rows of
which one alone would be kept. So a row is dropped only for a kept one that it is like itself, and c stays.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.core.schema.types import INT, REAL, Schema

Numbers = NDArray[np.int64]

LINKS: Schema = {"later": INT, "earlier": INT, "how": INT, "score": REAL, "offset_s": REAL, "covered": REAL}
CHOSEN: Schema = {"row": INT, "kept": INT, "how": INT, "score": REAL}  # `kept`: the row for which it is dropped


def choose_kept(links: pl.DataFrame, order: Numbers, foreign: int, first: int, share: float) -> pl.DataFrame:
    """The rows that are dropped (CHOSEN), each for the kept one that it is most like: by lowest `how`, then score.

    Rows are numbered: [0, foreign) of other datasets, [foreign, first) kept before, [first, …) new; only new ones are
    dropped. `order` is the place of each in the order in which they are kept, as `rank` gives it. A new row of which
    less than `share` is covered by one that was kept before stays: that one cannot be taken back.
    """
    usable = links.filter((pl.col("earlier") < foreign) | (pl.col("earlier") >= first) | (pl.col("covered") >= share))
    turned = usable.rename({"later": "earlier", "earlier": "later"}).select(*LINKS)
    sides = pl.concat([usable, turned]).filter(pl.col("later") >= first)
    ranked = (
        sides.with_columns(place=order[sides["later"].to_numpy()], better=order[sides["earlier"].to_numpy()])
        .filter(pl.col("better") < pl.col("place"))
        .sort("place", pl.col("earlier") >= foreign, "how", -pl.col("score"), "better")
    )
    dropped: dict[int, tuple[int, int, float]] = {}
    for row, other, how, score in ranked.select("later", "earlier", "how", "score").iter_rows():
        if row not in dropped and other not in dropped:
            dropped[row] = (other, how, score)
    return pl.DataFrame([(row, *why) for row, why in dropped.items()], schema=CHOSEN, orient="row")


def rank(links: pl.DataFrame, lengths_s: NDArray[np.float64], first: int, whole: float) -> Numbers:
    """The place of each row in the order in which rows are kept: as numbered, but much longer ones before shorter ones.

    Where a new row is shorter than `whole` of another one's length, that one comes first: it may hold the other. Only
    rows that hang together by links are compared, so that a row more does not move the others.
    """
    later, earlier = (links[name].to_numpy() for name in ("later", "earlier"))
    new = (later >= first) & (earlier >= first)
    component = components(len(lengths_s), later[new], earlier[new])
    linked = np.unique(np.concatenate([later[new], earlier[new]]))
    table = pl.DataFrame({"row": linked, "component": component[linked], "length_s": lengths_s[linked]})
    classes = np.zeros(len(lengths_s), dtype=np.int64)
    top, last, number = 0.0, -1, 0
    for row, of, length_s in table.sort("component", -pl.col("length_s"), "row").iter_rows():
        if of != last:
            top, last, number = length_s, of, 0
        elif length_s < whole * top:
            top, number = length_s, number + 1
        classes[row] = number
    rows = np.arange(len(classes))
    order = np.empty(len(classes), dtype=np.int64)
    order[np.lexsort((rows, classes, rows >= first))] = rows
    return order


def components(rows: int, one: Numbers, other: Numbers) -> Numbers:
    """The lowest row that each row hangs together with."""
    label = np.arange(rows)
    while True:
        lowest = np.minimum(label[one], label[other])
        before = label.copy()
        np.minimum.at(label, one, lowest)
        np.minimum.at(label, other, lowest)
        label = label[label]
        if np.array_equal(label, before):
            return label
