"""What every reader of a catalogue gives."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl


class Found(NamedTuple):
    """The videos of a source.

    `rows` has columns of CATALOGUE (those that it lacks are null), unique video ids, and may have `error` and
    `error_detail` for lines that cannot be read. It is not collected before it is written, so a reader of a large
    source keeps it lazy. `spans` has columns of SPANS; `left_out` counts what the reader's own filters left out.
    """

    rows: pl.LazyFrame
    spans: pl.LazyFrame | None = None
    left_out: Mapping[str, int] = {}
