"""Where the rows that a chunk is made of lie in the steps before it, so that a task reads these and no others.

Every map step keeps the order of its input, so the rows behind a chunk lie side by side in every step before it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from slurm.record.chunks import borders_of, input_of, laid_out_over
from slurm.record.done import Borders
from slurm.record.manifest import Step
from slurm.record.paths import ROWS


class Reach(NamedTuple):
    """Part of a step's rows."""

    chunks: range
    rows: range | None  # numbers of kept rows, counted from the first of these chunks; None: all


def reach(step: Step, chunk: int, giver: str) -> Reach | None:
    """The rows of the step `giver` that belong to the items of a chunk, and perhaps a few more.

    None if the two have no map steps in common by which that could be told, or the chunks of one were laid out over
    other rows than its input has now.
    """
    trail = {step.name: Reach(range(chunk, chunk + 1), None)}
    here = step
    while (source := here.input()) is not None:
        if (found := _before(here, trail[here.name])) is None:
            break
        trail[source.name], here = found, source
    path: list[Step] = []
    other: Step | None = step.other(giver)
    while other is not None and other.name not in trail:
        path.append(other)
        other = other.input()
    if other is None:
        return None
    part = trail[other.name]
    for behind in reversed(path):
        if (chunks := chunks_behind(behind, part)) is None:
            return None
        part = Reach(chunks, None)
    return part


def is_before(step: Step, name: str) -> bool:
    """Whether every item of a step comes from rows of the step `name`."""
    here = step.input()
    return here is not None and (here.name == name or is_before(here, name))


def _before(step: Step, own: Reach) -> Reach | None:
    """The part of its input that these chunks of a step read; None if that has other rows by now."""
    first, last = step.layout_of(own.chunks[0]), step.layout_of(own.chunks[-1])
    name = laid_out_over(step)
    if name is None:
        return Reach(own.chunks, None)
    begin, end = input_of(step, first).start, input_of(step, last).stop
    if first != last:
        return Reach(range(begin, end), None)
    borders = borders_of(step, own.chunks[0])
    start, stop = borders.borders[own.chunks[0] - first.first], borders.borders[own.chunks[-1] + 1 - first.first]
    low = min(bisect_right(borders.offsets, start) - 1, end - begin - 1)
    high = max(low + 1, bisect_left(borders.offsets, stop))
    skipped, chunks = borders.offsets[low], range(begin + low, begin + min(high, end - begin))
    return Reach(chunks, range(start - skipped, stop - skipped)) if _same(step, borders, begin, chunks) else None


def _same(step: Step, borders: Borders, begin: int, chunks: range) -> bool:
    """Whether these chunks of its input have as many kept rows as when it was laid out over those from `begin`."""
    there = step.other(step.plan.inputs[0]).done_in(chunks)
    return all(
        done is not None and done.rows_kept == borders.offsets[number - begin + 1] - borders.offsets[number - begin]
        for number, done in there.items()
    )


def chunks_behind(step: Step, source: Reach) -> range | None:
    """The chunks of a step that read this part of its input; None if that has other rows by now."""
    if laid_out_over(step) is None:
        return source.chunks
    found: list[int] = []
    for layout in step.layouts:
        covered = input_of(step, layout)
        low, high = max(covered.start, source.chunks.start), min(covered.stop, source.chunks.stop)
        if low < high and not step.paths.borders_of(layout.number).exists():
            found += [layout.first, layout.end - 1]
        elif low < high:
            borders = borders_of(step, layout.first)
            if not _same(step, borders, covered.start, range(low, high)):
                return None
            start, stop = borders.offsets[low - covered.start], borders.offsets[high - covered.start]
            if source.rows is not None and low == source.chunks.start:
                start, stop = start + source.rows.start, min(stop, start + source.rows.stop)
            begin = max(0, bisect_right(borders.borders, start) - 1)
            end = max(begin + 1, bisect_left(borders.borders, stop))
            found += [min(layout.first + begin, layout.end - 1), min(layout.first + end, layout.end) - 1]
    return range(min(found), max(found) + 1) if found else range(0)


def scan_reach(step: Step, part: Reach) -> pl.LazyFrame | None:
    """The rows of this part of the step's main table, those that failed or were dropped among them included.

    None if no chunk of it is done. Of a large part of which few rows are wanted, only these are read.
    """
    frames = list(_frames(step, part))
    return pl.concat(frames, how="diagonal") if frames else None  # other versions may have written other columns


def _frames(step: Step, part: Reach) -> Iterator[pl.LazyFrame]:
    before = 0  # kept rows of the chunks so far
    for chunk in part.chunks:
        done = step.done(chunk)
        if done is None:
            continue
        path = step.paths.part(done.part, ROWS)
        table = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        if part.rows is not None:
            start, stop = max(0, part.rows.start - before), min(done.rows_kept, part.rows.stop - before)
            before += done.rows_kept
            if start >= stop:
                yield table.head(0)
                continue
            if done.rows_kept < done.rows_out:
                marks = [mark for mark in ("error", "drop_reason") if mark in step.plan.gives]
                places = step.keep(table.select(marks).with_row_index("place")).select("place").collect().to_series()
                start, stop = int(places[start]), int(places[stop - 1]) + 1
            table = table.slice(start, stop - start)
        yield table
