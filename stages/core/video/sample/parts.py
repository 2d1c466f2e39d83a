"""Which pictures belong to which part of a clip: parts of equal length, the frames in each, and the jobs of workers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import ceil, isfinite
from typing import NamedTuple, cast

import polars as pl

from slurm.errors import ItemError
from stages.core.schema.types import Row

KEY_PARTS = 16  # whose kept pictures a worker reads at once: a row group holds some dozens
SAME_S = 1e-6


class Part(NamedTuple):
    """A part of an item: seconds of its video."""

    item: int  # its number among the rows
    number: int  # of the part, from 0
    of: int  # parts of the item
    start_s: float
    end_s: float


def split_clip(item: int, row: Row, end_s: float, part_s: float) -> list[Part]:
    """Equal parts of at most `part_s`. Raises ItemError bad_value for times that are none."""
    start_s = cast(float | None, row.get("start_s")) or 0.0
    if not (isfinite(start_s) and isfinite(end_s) and end_s > start_s):
        raise ItemError("bad_value", f"start_s={start_s}, end_s={end_s}")
    count = max(1, ceil((end_s - start_s) / part_s - SAME_S))
    at_s = [start_s + (end_s - start_s) * number / count for number in range(count)] + [end_s]
    return [Part(item, number, count, at_s[number], at_s[number + 1]) for number in range(count)]


def video_jobs(items: Sequence[Row], parts: Sequence[Part]) -> Iterator[Row]:
    """A job a part, whose frames are decoded."""
    for place, part in enumerate(parts):
        own: Row = {"number": place, "start_s": part.start_s, "end_s": part.end_s}
        yield {
            "name": f"part {part.number} of {items[part.item]['path']}",
            "file": items[part.item]["path"],
            "parts": [own],
        }


def kept_jobs(parts: Sequence[Part], frames: pl.DataFrame) -> Iterator[Row]:
    """Jobs of several parts, whose pictures lie in one Parquet file. `frames`: as `choose_frames` gives them."""
    by_file: dict[str, list[Row]] = defaultdict(list)
    for (place, file), own in frames.group_by("item", "file", maintain_order=True):
        one: Row = {"number": place, "rows": own["row"].to_list(), "times_s": own["time_s"].to_list()}
        by_file[str(file)].append(one)
    for file, own_parts in by_file.items():
        for at in range(0, len(own_parts), KEY_PARTS):
            together = own_parts[at : at + KEY_PARTS]
            yield {"name": f"kept pictures of {len(together)} parts", "file": file, "parts": together}


def split_job(job: Row) -> Iterator[Row]:
    """A job for each of its parts."""
    for part in cast(list[Row], job["parts"]):
        yield {**job, "parts": [part]}
