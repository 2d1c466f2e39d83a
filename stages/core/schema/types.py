"""The types of columns, and what a table's schema is: column → polars type.

Times are seconds from the container's start. The tables of a step also have its keys; the main table of a map step has
`error` and `error_detail`, null for a good row.
"""

import polars as pl

Schema = dict[str, pl.DataType]
Row = dict[str, object]

TEXT = pl.String()
TEXTS = pl.List(pl.String())
INT = pl.Int64()
REAL = pl.Float64()
REALS = pl.List(pl.Float32())
FLAG = pl.Boolean()
PICTURE = pl.Binary()  # JPEG
