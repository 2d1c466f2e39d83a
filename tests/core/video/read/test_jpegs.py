"""Pictures out of a table, by the numbers of its rows."""

from pathlib import Path

import polars as pl

from stages.core.video.read.jpegs import read_jpegs


def test_each_row_has_its_own_picture_whatever_the_order_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "part[1].parquet"
    kept = [None if n == 5 else b"%d" % n for n in range(9)]
    pl.DataFrame({"video_id": ["v"] * 9, "jpeg": kept}).write_parquet(file, row_group_size=4)
    assert read_jpegs(file, [7, 3, 5, 3]) == {7: b"7", 3: b"3", 5: None}
    assert read_jpegs(file, []) == {}
