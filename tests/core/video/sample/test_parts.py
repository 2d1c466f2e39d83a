"""Parts of clips: equal ones, none longer than it may be; times that are none fail their row."""

from itertools import pairwise

import polars as pl
import pytest

from slurm.errors import ItemError
from stages.core.video.sample.parts import KEY_PARTS, Part, kept_jobs, split_clip, split_job


@pytest.mark.parametrize(
    ("start_s", "end_s", "count"), [(0.0, 29.0, 1), (5.0, 35.0, 1), (0.0, 31.0, 2), (2.0, 92.0, 3), (0.0, 10800.0, 360)]
)
def test_a_clip_is_in_equal_parts_that_follow_one_another(start_s: float, end_s: float, count: int) -> None:
    parts = split_clip(7, {"start_s": start_s}, end_s, 30.0)
    assert [(part.item, part.number, part.of) for part in parts] == [(7, n, count) for n in range(count)]
    assert (parts[0].start_s, parts[-1].end_s) == (start_s, end_s)
    assert all(one.end_s == other.start_s for one, other in pairwise(parts))
    assert {round(part.end_s - part.start_s, 6) for part in parts} == {round((end_s - start_s) / count, 6)}
    assert max(part.end_s - part.start_s for part in parts) <= 30.0 + 1e-6


@pytest.mark.parametrize(("start_s", "end_s"), [(3.0, 3.0), (3.0, 2.0), (float("nan"), 2.0), (0.0, float("inf"))])
def test_times_that_are_none_are_told(start_s: float, end_s: float) -> None:
    with pytest.raises(ItemError, match="start_s="):
        split_clip(0, {"start_s": start_s}, end_s, 30.0)


def test_kept_pictures_of_one_file_are_read_together_and_one_by_one_where_that_fails() -> None:
    count = KEY_PARTS + 3
    parts = [Part(n, 0, 1, 0.0, 1.0) for n in range(count)]
    frames = pl.DataFrame(
        {
            "item": [n for n in range(count) for _ in range(2)],
            "time_s": [float(n % 2) for n in range(2 * count)],
            "file": ["a"] * (2 * count),
            "row": list(range(2 * count)),
        }
    )
    first, second = kept_jobs(parts, frames)
    assert (len(first["parts"]), len(second["parts"])) == (KEY_PARTS, 3)  # type: ignore[arg-type]
    alone = list(split_job(second))
    assert [job["parts"][0]["rows"] for job in alone] == [[32, 33], [34, 35], [36, 37]]  # type: ignore[index]
