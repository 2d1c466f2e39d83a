"""A chunk's tables put together in batches are those put together at once."""

from pathlib import Path

import polars as pl
import pytest

from slurm import merge
from slurm.merge import ITEM, Flushed, LostRowsError, batches, merged, owners

SCHEMA: dict[str, pl.DataType] = {"word": pl.String(), "place": pl.Int64()}
ITEMS = pl.Series([f"v{n:02d}" for n in range(20)])


def flushed(path: Path, items: list[str], each: int = 3) -> Flushed:
    """A file with so many rows of each item."""
    rows = [{ITEM: item, "word": f"{path.stem} {item}", "place": place} for item in items for place in range(each)]
    pl.DataFrame(rows, schema={**SCHEMA, ITEM: pl.String()}).write_parquet(path)
    return Flushed(path, pl.scan_parquet(path))


@pytest.fixture
def files(tmp_path: Path) -> list[Flushed]:
    """Items out of order over four files, three of them in two files, and one file without rows."""
    keys = list(ITEMS)
    return [
        flushed(tmp_path / "a.parquet", keys[7:12][::-1]),
        flushed(tmp_path / "b.parquet", [*keys[15:], *keys[:9]]),
        flushed(tmp_path / "c.parquet", []),
        flushed(tmp_path / "d.parquet", keys[11:15]),
    ]


@pytest.mark.parametrize("batch_bytes", [merge.BATCH_BYTES, 2000, 300, 1])
def test_every_item_is_taken_once_and_in_order(
    files: list[Flushed], monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    monkeypatch.setattr(merge, "BATCH_BYTES", batch_bytes)
    table = merged(files, owners(files, ITEMS, "chunk 0"), SCHEMA).collect()
    sources = ["b"] * 7 + ["a"] * 5 + ["d"] * 3 + ["b"] * 5
    wanted = [f"{source} {item}" for source, item in zip(sources, ITEMS, strict=True) for _ in range(3)]
    assert table["word"].to_list() == wanted
    assert table["place"].to_list() == [0, 1, 2] * 20
    assert table.schema == SCHEMA


def test_no_more_than_a_batch_is_read_at_once(files: list[Flushed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "BATCH_BYTES", sum(file.n_bytes for file in files) // 5)
    owner = owners(files, ITEMS, "chunk 0")
    assert [len(batch) for batch in batches(files, owner)] == [10] * 6


def test_a_table_that_a_file_lacks_and_one_without_rows_are_empty(files: list[Flushed]) -> None:
    none = [Flushed(None, pl.LazyFrame(schema={**SCHEMA, ITEM: pl.String()}))] * 4
    table = merged(none, owners(files, ITEMS, "chunk 0"), SCHEMA).collect()
    assert (len(table), table.schema) == (0, SCHEMA)


def test_lost_and_foreign_items_are_named(files: list[Flushed]) -> None:
    items = pl.Series([*ITEMS[1:], "v99"])
    with pytest.raises(LostRowsError, match=r"chunk 7: 1 items without a row \(e\.g\. v99\), 1 rows of no item .*v00"):
        owners(files, items, "chunk 7")
