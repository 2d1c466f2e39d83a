"""A chunk's input rows: the slice of the step that it reads, with columns of the steps that give them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import polars as pl

from slurm.errors import ChunkError
from slurm.record.chunks import borders_of
from slurm.record.files import names, scan_parts
from slurm.record.inputs import chunks_read
from slurm.record.lineage import Reach, is_before, reach, scan_reach
from slurm.record.manifest import Step
from slurm.task.attempt import main_files
from stages.core.runner.within import gather_within


def read_items(step: Step, chunk: int) -> pl.DataFrame:
    """The items of a chunk, in order: their keys, and every column that the stage needs.

    A column of a step (or side table) with several rows an item is a list, in the order of these rows; of a table of
    the video that a clip is part of, of the rows within the clip. Raises ChunkError where the items cannot be told
    apart, or the input has other rows than it had.
    """
    source = step.other(step.plan.inputs[0])
    columns = own_columns(step, source)
    if step.plan.kind == "map":
        table = read_slice(step, source, chunk, columns)
    else:
        table = kept_in(source, chunks_read(step, chunk)[source.name]).select(columns).collect()
    return add_columns(step, source, chunk, table)


def read_former(step: Step, chunk: int) -> pl.DataFrame:
    """The items of all chunks before this one of a reduce step that continues, as `read_items` gives its own."""
    source = step.other(step.plan.inputs[0])
    before = range(chunks_read(step, chunk)[source.name].start)
    table = kept_in(source, before).select(own_columns(step, source)).collect()
    return add_columns(step, source, chunk, table)


def read_finished(step: Step, chunk: int, schema: Mapping[str, pl.DataType], most: int) -> pl.DataFrame:
    """Columns of rows that are finished: those flushed of a chunk, and of at most so many others, done or flushed."""
    records = [name for folder in names(step.paths.dones) for name in names(step.paths.dones / folder)]
    begun = [name for folder in names(step.paths.partial) for name in names(step.paths.partial / folder)]
    done = [step.done(int(name.partition(".")[0])) for name in spread(records, most)]
    files = [step.paths.part(record.part) for record in done if record]
    for other in {chunk, *map(int, spread(begun, most))}:
        files += main_files(step.paths.partial_of(other), f"{step.plan.fingerprint[:8]}.")
    tables = [pl.DataFrame(schema=schema)]
    for file in files:
        with suppress(OSError, pl.exceptions.PolarsError):  # torn, or its chunk was done meanwhile
            tables.append(scan_parts([file], schema=dict(schema)).collect())
    return pl.concat(tables)


def spread(values: Sequence[str], most: int) -> list[str]:
    """At most so many of the values, at even distances."""
    number = min(most, len(values))
    return [values[n * len(values) // number] for n in range(number)]


def kept_in(source: Step, chunks: range) -> pl.LazyFrame:
    """The kept rows of these chunks of a step."""
    return source.kept(only=None if len(chunks) == source.plan.n else list(chunks))


def own_columns(step: Step, source: Step) -> list[str]:
    """The item keys, and the columns that a stage needs of those that its first input gives."""
    plan = step.plan
    wanted = [name for name, giver in plan.columns.columns.items() if giver == source.name]
    return [*plan.item_keys, *(name for name in wanted if name in source.plan.gives and name not in plan.item_keys)]


def add_columns(step: Step, source: Step, chunk: int, table: pl.DataFrame) -> pl.DataFrame:
    """The items with the other columns that the stage needs."""
    plan = step.plan
    wanted = {name: giver for name, giver in plan.columns.columns.items() if name not in plan.item_keys}
    keys = table[plan.item_key]
    several = keys.hash().n_unique() != len(keys)  # a third of the time that comparing texts takes
    if several and len(twice := keys.filter(keys.is_duplicated())):
        raise ChunkError(f"{source} gives {plan.item_key}={twice[0]!r} more than once: rows could not be told apart")
    for giver in dict.fromkeys(wanted.values()):
        names = [name for name, by in wanted.items() if by == giver and name not in table.columns]
        there = step.other(giver)
        columns = [name for name in names if name in there.plan.gives]
        if columns and plan.item_key in there.plan.keys[1:]:
            table = gather(table, kept_rows(step, chunk, there), plan.item_key, {name: name for name in columns})
        elif columns:
            table = join(step, table, there, chunk, columns)
        for side in dict.fromkeys(name.partition(".")[0] for name in names if name not in columns):
            listed = {name: name.partition(".")[2] for name in names if name.partition(".")[0] == side}
            rows = read_side(step, there, side, chunk)
            if plan.item_key in there.plan.tables[side]:
                table = gather(table, rows, plan.item_key, listed)
            else:
                table = gather_within(table, rows, plan.item_keys, listed)
    return table.select(*plan.item_keys, *wanted)


def read_slice(step: Step, source: Step, chunk: int, columns: list[str]) -> pl.DataFrame:
    """The rows of a chunk in the kept rows of its step's input."""
    if step.plan.aligned:
        return source.kept(only=[chunk]).select(columns).collect()
    borders, layout, part = borders_of(step, chunk), step.layout_of(chunk), reach(step, chunk, source.name)
    if part is None:
        raise ChunkError(
            f"{source} has other rows now than when the chunks of {step} were laid out over it: "
            f"python -m slurm resume run={step.run.name} lays them out again"
        )
    rows = scan_reach(source, part)
    first, last = borders.borders[chunk - layout.first], borders.borders[chunk - layout.first + 1]
    if rows is None:
        raise ChunkError(f"{source} has no rows")
    found = source.keep(rows).select(columns).collect()
    if len(found) != last - first:
        raise ChunkError(f"{source} gave {len(found)} rows for {step} chunk {chunk}, not {last - first}")
    return found


def join(step: Step, table: pl.DataFrame, giver: Step, chunk: int, columns: list[str]) -> pl.DataFrame:
    """The table with columns of a step further up, by that step's key."""
    key = giver.plan.key
    part = reach(step, chunk, giver.name)
    rows = scan_reach(giver, part) if part is not None else giver.scan()
    if rows is None or key not in table.columns:
        raise ChunkError(f"{giver} cannot be joined: {'it has no rows' if rows is None else f'no column {key}'}")
    rows = rows if step.plan.kind == "reduce" else pick(rows, table[key])  # which wants about all of them
    found = rows.select(key, *columns).collect()
    if part and is_before(step, giver.name) and table[key].n_unique() > found[key].n_unique():
        rows = giver.scan()  # every item comes from it, so they lie elsewhere: it was made again meanwhile
        assert rows is not None
        found = pick(rows, table[key]).select(key, *columns).collect()
    return table.join(found, on=key, how="left", maintain_order="left")


def kept_rows(step: Step, chunk: int, giver: Step) -> pl.LazyFrame | None:
    """The kept rows of a step that may belong to the items of a chunk; only those that an input behind it kept, too."""
    part = reach(step, chunk, giver.name)
    rows = scan_reach(giver, Reach(part.chunks, None)) if part is not None else giver.scan()
    if rows is None:
        return None
    rows, key = giver.keep(rows), giver.plan.key
    for source in (step.other(name) for name in step.plan.inputs):
        behind = source.plan.key == key and is_before(source, giver.name)
        kept = kept_rows(step, chunk, source) if behind else None
        if kept is not None:
            rows = rows.join(kept.select(key), on=key, how="semi", maintain_order="left")
    return rows


def gather(table: pl.DataFrame, rows: pl.LazyFrame | None, key: str, columns: dict[str, str]) -> pl.DataFrame:
    """The table with a list of each of these columns (name → column of `rows`): of all rows with the item's key."""
    if rows is None:
        raise ChunkError(f"no rows for {', '.join(columns)}")
    named = [pl.col(column).alias(name) for name, column in columns.items()]
    lists = pick(rows, table[key]).select(key, *named).collect().group_by(key, maintain_order=True).agg(pl.all())
    return table.join(lists, on=key, how="left", maintain_order="left")


def pick(rows: pl.LazyFrame, keys: pl.Series) -> pl.LazyFrame:
    """The rows with one of these keys."""
    return rows.filter(pl.col(keys.name).is_in(keys.implode()))


def read_side(step: Step, giver: Step, table: str, chunk: int, *, places: bool = False) -> pl.LazyFrame:
    """A side table of a step before, as far as it may belong to a chunk; in the order in which it was written.

    With `places` the columns `file` and `row` tell where each row lies: its file and its number there.
    """
    part = reach(step, chunk, giver.name)
    files = giver.files(table, only=None if part is None else list(part.chunks))
    if not files:
        raise ChunkError(f"{giver} has no table {table!r}")
    rows = scan_parts(files, file_column="file" if places else None)
    return rows.with_columns(row=pl.int_range(pl.len()).over("file")) if places else rows
