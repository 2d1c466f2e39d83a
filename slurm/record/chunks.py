"""Chunks: the rows of a step's input, cut into n slices of about equal cost.

Where they lie is a pure function of these rows, so whichever task needs it first computes it, and all get the same.
When the input has got other rows, the borders stay before the same rows: a chunk whose rows are the same stays so.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.record.done import Borders, Costs, Done, make_stamp
from slurm.record.files import write_once
from slurm.record.formats import FORMAT, DamagedError, read_record, write_record
from slurm.record.manifest import Step
from slurm.record.plan import Layout

MOST_LARGER = 2  # times as many rows as the largest chunk had one may get; else all are cut anew


def count(rows: int, size: int) -> int:
    """How many chunks of about `size` rows; at least one, so that an empty table has an (empty) result too."""
    return max(1, -(-rows // size))


def fill_costs(cost: pl.Series) -> pl.Series:
    """A cost for every row: null, NaN and negative ones count as the median of the known ones."""
    known = cost.cast(pl.Float64).fill_nan(None)
    known = known.set(known < 0, None)
    median = known.median()
    known = known.fill_null(float(median) if isinstance(median, float | int) and median > 0 else 1.0)
    # every row is free: balance by count
    return known if float(known.sum()) > 0 else pl.repeat(1.0, len(known), eager=True)


def borders(cost: pl.Series, n: int) -> list[int]:
    """n + 1 row numbers: chunk i holds rows [borders[i], borders[i + 1]); costs are as equal as slices allow.

    `cost` has one number a row, see `fill_costs`.
    """
    known = fill_costs(cost)
    total, reached = float(known.sum()), known.cum_sum()
    targets = pl.Series([total * i / n for i in range(1, n)], dtype=pl.Float64)
    # a border goes behind the row in whose middle the target lies
    inner = (reached - known / 2).search_sorted(targets, side="left").to_list() if len(known) else [0] * (n - 1)
    return [0, *inner, len(known)]


def costs(cost: pl.Series, borders: list[int]) -> list[float]:
    """The cost of each chunk between these borders, to six digits."""
    reached = [0.0, *fill_costs(cost).cum_sum()]
    return [float(f"{reached[end] - reached[first]:.6g}") for first, end in pairwise(borders)]


# the chunks of a step


def laid_out_over(step: Step) -> str | None:
    """The input whose rows the step cut into chunks of its own; None if it takes over chunks, or has no input."""
    plan = step.plan
    return plan.inputs[0] if plan.kind == "map" and plan.inputs and not plan.aligned else None


def input_of(step: Step, layout: Layout) -> range:
    """The chunks of its input over which these chunks of the step were laid out."""
    name = step.plan.inputs[0]
    before = step.layouts[layout.number - 1].inputs if layout.number else {}
    return range(before.get(name, 0), layout.inputs[name])


def borders_of(step: Step, chunk: int) -> Borders:
    """Where the chunks that were laid out with this one lie in the input, which must be complete; written once."""
    layout, name = step.layout_of(chunk), laid_out_over(step)
    path = step.paths.borders_of(layout.number)
    try:
        return read_borders(step, path)
    except FileNotFoundError:
        pass
    except DamagedError:  # the same is computed again, unless the input has got other rows
        path.unlink(missing_ok=True)
    assert name is not None, f"{step} takes over the chunks of its input"
    records = done_input(step, layout)
    offsets = [0, *accumulate(record.rows_kept for record in records)]
    weight = step.plan.chunking.cost
    if weighed := weight in step.other(name).plan.gives:
        rows = step.other(name).kept(only=list(input_of(step, layout)))
        cost = rows.select(pl.col(str(weight)).cast(pl.Float64)).collect().to_series()
    else:
        cost = pl.repeat(1.0, offsets[-1], eager=True)
    cuts = borders(cost, layout.end - layout.first)
    editions = [record.edition for record in records]
    made = Borders(cuts, offsets, make_stamp(editions), editions)
    if weighed:
        write_once(step.paths.costs_of(layout.number), {**Costs(costs(cost, cuts))._asdict(), "format": FORMAT})
    write_once(path, {**made._asdict(), "format": FORMAT})
    return read_borders(step, path)


def read_borders(step: Step, path: Path) -> Borders:
    """The borders in a file, which may be of a hundred thousand chunks: read once a task. Raises FileNotFoundError."""
    time_ns = path.stat().st_mtime_ns
    if path not in step.known_borders or step.known_borders[path][0] != time_ns:
        step.known_borders[path] = time_ns, read_record(path, Borders, decides=False)
    return step.known_borders[path][1]


def done_input(step: Step, layout: Layout) -> list[Done]:
    """The done records of what a layout was laid out over. Raises InputError if it is not complete."""
    source, needed = step.other(step.plan.inputs[0]), input_of(step, layout)
    records = [done for done in source.done_in(needed).values() if done]
    if len(records) < len(needed):
        raise InputError(f"step {step} needs all of {source}: {len(records)} of {len(needed)} chunks are done")
    return records


# what they read


def covered(borders: Borders, number: int) -> range:
    """Which chunks of the input a chunk covers, both counted from the layout's first one.

    Those without a kept row belong to the chunk that begins where they lie: there their rows will be, if they get any.
    """
    offsets, (start, stop) = borders.offsets, borders.borders[number : number + 2]
    low = bisect_left(offsets, start)
    low = min(low - (offsets[low] > start), len(offsets) - 2)
    is_last = number == len(borders.borders) - 2
    return range(low, len(offsets) - 1 if is_last else max(low + 1, bisect_left(offsets, stop)))


def covered_by(step: Step, chunk: int) -> range:
    """Which chunks of the input a chunk covers; all of its layout's before the borders are laid."""
    layout = step.layout_of(chunk)
    needed = input_of(step, layout)
    if not step.paths.borders_of(layout.number).exists():
        return needed
    part = covered(borders_of(step, chunk), chunk - layout.first)
    return needed[part.start : part.stop]


def rows_read(borders: Borders, number: int, editions: Sequence[str]) -> list[str]:
    """What decides the rows of a chunk: the editions now of what it covers, and which of their rows are its own.

    `editions` are those of what the layout was laid out over; "" where not known.
    """
    if not borders.editions:  # laid before these were kept
        return [borders.stamp]
    part = covered(borders, number)
    skipped = borders.offsets[part.start]
    start, stop = borders.borders[number : number + 2]
    return [*editions[part.start : part.stop], f"{start - skipped}:{stop - skipped}"]


def has_moved(step: Step, chunk: int) -> bool:
    """Whether the chunks of the input that a chunk covers have got other rows since the borders were laid."""
    layout = step.layout_of(chunk)
    if laid_out_over(step) is None or not step.paths.borders_of(layout.number).exists():
        return False
    borders, first = borders_of(step, chunk), input_of(step, layout).start
    there = step.other(step.plan.inputs[0]).done_in(covered_by(step, chunk))
    return any(done is None or _is_other(borders, number - first, done) for number, done in there.items())


def _is_other(borders: Borders, number: int, done: Done) -> bool:
    """Whether a chunk of the input has other rows than when the borders were laid."""
    if borders.editions:
        return borders.editions[number] != done.edition
    return borders.offsets[number + 1] - borders.offsets[number] != done.rows_kept


def is_behind(step: Step, known: Mapping[int, Done] | None = None) -> bool:
    """Whether the input over which its chunks were laid out has got other rows since; `known` are its done chunks."""
    if laid_out_over(step) is None:
        return False
    for layout in step.layouts:
        if step.paths.borders_of(layout.number).exists():
            needed = input_of(step, layout)
            there = known if known is not None else step.other(step.plan.inputs[0]).done_in(needed)
            editions = (record.edition if (record := there.get(number)) else "" for number in needed)
            if borders_of(step, layout.first).stamp != make_stamp(editions):
                return True
    return False


# borders that move


def follow_input(step: Step, layout: Layout) -> None:
    """Has the borders of a layout stay before the same rows of an input that has got others, and must be complete.

    Where that would make a chunk much larger than any was, they are forgotten, so that all chunks are cut anew. Two
    that do this at once write the same.
    """
    path = step.paths.borders_of(layout.number)
    if not path.exists():
        return
    old, records = borders_of(step, layout.first), done_input(step, layout)
    editions = [record.edition for record in records]
    if old.stamp == make_stamp(editions):
        return
    offsets = [0, *accumulate(record.rows_kept for record in records)]
    cuts = _moved(step, layout, old, records, offsets)
    if _largest(cuts) > MOST_LARGER * max(1, _largest(old.borders)):
        path.unlink(missing_ok=True)
        step.paths.costs_of(layout.number).unlink(missing_ok=True)
    else:
        write_record(path, Borders(cuts, offsets, make_stamp(editions), editions))


def _moved(step: Step, layout: Layout, old: Borders, records: Sequence[Done], offsets: Sequence[int]) -> list[int]:
    """Where the borders lie in the rows that the input has now; `offsets` are those of its chunks."""
    places: dict[int, Mapping[str, int]] = {}  # chunk of the input → item → its place among the kept rows
    found = [0]
    for number, border in enumerate(old.borders[1:-1], layout.first + 1):
        chunk = bisect_left(old.offsets, border)
        if old.offsets[chunk] == border:
            found.append(offsets[chunk])
            continue
        chunk -= 1
        inside = border - old.offsets[chunk]
        if _is_other(old, chunk, records[chunk]):
            if chunk not in places:
                places[chunk] = _places(step, input_of(step, layout)[chunk])
            share = inside / (old.offsets[chunk + 1] - old.offsets[chunk])
            inside = places[chunk].get(_first_item(step, number), round(share * records[chunk].rows_kept))
        found.append(offsets[chunk] + inside)
    return list(accumulate([*found, offsets[-1]], max))


def _places(step: Step, chunk: int) -> dict[str, int]:
    """The place of each item of the step among the kept rows of a chunk of its input."""
    keys = step.other(step.plan.inputs[0]).kept(only=[chunk]).select(step.plan.item_key).collect().to_series()
    return {str(key): place for place, key in enumerate(keys)}


def _first_item(step: Step, chunk: int) -> str:
    """The first item with a row in a finished chunk; "" of one that is not finished, or has no rows."""
    rows = step.scan(only=[chunk])
    return "" if rows is None else "".join(map(str, rows.select(step.plan.item_key).head(1).collect().to_series()))


def _largest(borders: Sequence[int]) -> int:
    """The rows of the largest chunk."""
    return max(end - first for first, end in pairwise(borders))
