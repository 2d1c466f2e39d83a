"""The result of a catalogue reader."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl


class Catalogue(NamedTuple):
    """The videos of a source.

    `rows` has columns of CATALOGUE (missing ones count as null), unique video ids, and for unreadable lines `error` and
    `error_detail`. It is collected only when it is written, so readers of large sources keep it lazy. `spans` has
    columns of SPANS; `left_out` counts what is in the source and not in `rows`, by reason: rows that the reader's own
    filters excluded, and sidecars that could not be read.
    """

    rows: pl.LazyFrame
    spans: pl.LazyFrame | None = None
    left_out: Mapping[str, int] = {}
