"""A chunk's tables put together in batches are those put together at once."""

import random
from pathlib import Path

import polars as pl
import pytest

from slurm.record import merge
from slurm.record.merge import ITEM, Flushed, LostRowsError, batches, merged, owners

SCHEMA: dict[str, pl.DataType] = {"word": pl.String(), "place": pl.Int64(), "error": pl.String()}
ITEMS = pl.Series([f"v{n:02d}" for n in range(20)])


def written(path: Path, items: list[str], key: str = ITEM, each: int = 3) -> Path:
    """A file with so many rows of each item."""
    rows = [{"word": f"{path.stem} {item}", "place": place, key: item} for item in items for place in range(each)]
    pl.DataFrame(rows, schema={**SCHEMA, key: pl.String()}).write_parquet(path)
    return path


@pytest.fixture
def flushed(tmp_path: Path) -> Flushed:
    """Items out of order over four files, some of them in two, and one file without rows."""
    keys = list(ITEMS)
    return Flushed(
        [
            written(tmp_path / "a.parquet", keys[7:12][::-1]),
            written(tmp_path / "b.parquet", [*keys[15:18], *keys[:9]]),
            written(tmp_path / "c.parquet", []),
            written(tmp_path / "d.parquet", keys[11:15]),
        ]
    )


@pytest.fixture
def old(tmp_path: Path) -> Flushed:
    """A part with the last two items, one that was flushed again, and one that is gone."""
    return Flushed([written(tmp_path / "old.parquet", ["gone", "v19", "v18", "v12"], "video_id")], "video_id")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99, 2])
def test_every_item_is_taken_once_and_in_order(
    flushed: Flushed, old: Flushed, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    size = sum(path.stat().st_size for path in (*flushed.paths, *old.paths))
    monkeypatch.setattr(merge, "BATCH_BYTES", round(share * size))
    table = merged(flushed, old, owners(flushed, old, ITEMS, "chunk 0"), SCHEMA).collect()
    sources = ["b"] * 7 + ["a"] * 5 + ["d"] * 3 + ["b"] * 3 + ["old"] * 2
    wanted = [f"{source} {item}" for source, item in zip(sources, ITEMS, strict=True) for _ in range(3)]
    assert table["word"].to_list() == wanted
    assert table["place"].to_list() == [0, 1, 2] * 20
    assert table.schema == SCHEMA


def test_no_more_than_a_batch_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = written(tmp_path / "small.parquet", list(ITEMS[:16])), tmp_path / "large.parquet"
    words = [random.Random(item).randbytes(50_000).hex() for item in ITEMS[16:]]
    pl.DataFrame({"word": words, ITEM: ITEMS[16:]}).with_columns(
        place=pl.lit(0, pl.Int64), error=pl.lit(None, pl.String)
    ).select(*SCHEMA, ITEM).write_parquet(large)
    flushed, old = Flushed([small, large]), Flushed([])
    owner = owners(flushed, old, ITEMS, "chunk 0")
    monkeypatch.setattr(merge, "BATCH_BYTES", large.stat().st_size // 2)
    first, *others = [len(batch) for batch in batches(flushed, old, owner, SCHEMA)]
    assert (first + sum(others), first >= 16 * 3, all(height <= 3 for height in others)) == (16 * 3 + 4, True, True)
    monkeypatch.setattr(merge, "BATCH_ROWS", 10)
    assert max(len(batch) for batch in batches(flushed, old, owner, SCHEMA)) == 10


def test_a_table_that_no_file_has_is_empty(flushed: Flushed, old: Flushed) -> None:
    table = merged(Flushed([]), Flushed([]), owners(flushed, old, ITEMS, "chunk 0"), SCHEMA).collect()
    assert (len(table), table.schema) == (0, SCHEMA)


def test_a_chunk_without_items_has_empty_tables() -> None:
    none = Flushed([])
    owner = owners(none, none, pl.Series([], dtype=pl.String), "chunk 0")
    assert merged(none, none, owner, SCHEMA).collect().schema == SCHEMA


def test_lost_and_foreign_items_are_named(flushed: Flushed, old: Flushed) -> None:
    items = pl.Series([*ITEMS[1:], "v99"])
    with pytest.raises(LostRowsError, match=r"chunk 7: 1 items without a row \(e\.g\. v99\), 1 rows of no item .*v00"):
        owners(flushed, old, items, "chunk 7")
