"""What a chunk reads: which chunks of its step's inputs, whether they are done, and as which edition."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from slurm.errors import InputError
from slurm.record import chunks
from slurm.record.done import Borders, Costs, Done, make_stamp
from slurm.record.files import write_once
from slurm.record.finished import Broken, read_record_of
from slurm.record.formats import FORMAT, DamagedError, read_record
from slurm.record.manifest import Step

Known = Mapping[str, Mapping[int, Done]]  # the done chunks of steps that the caller has read already


def chunks_read(step: Step, chunk: int) -> dict[str, range]:
    """The chunks of each input that have to be done before this chunk; of a step that continues, its own before it."""
    plan, layout = step.plan, step.layout_of(chunk)
    before = step.layouts[layout.number - 1].inputs if layout.number else {}
    needed: dict[str, range] = {}
    for name, mode in step.modes.items():
        if mode == "same":
            needed[name] = range(chunk, chunk + 1)
        elif plan.kind == "reduce" and mode == "all":  # made again whenever there is more
            needed[name] = range(step.other(name).plan.n)
        else:
            needed[name] = range(before.get(name, 0) if mode == "new" else 0, layout.inputs[name])
    if plan.continues and chunk:
        needed[step.name] = range(chunk)
    return needed


def missing(step: Step, chunk: int) -> str | None:
    """What this chunk waits for, in words; None if all that it reads is done, or what it can do without is not."""
    if step.plan.without_unfinished and any(step.other(name).complete() for name in step.plan.inputs):
        return None
    for name, needed in chunks_read(step, chunk).items():
        if name == laid_out_over(step) and step.paths.borders_of(step.layout_of(chunk).number).exists():
            continue  # its rows are known, and are compared when they are read
        source = step.other(name)
        lacking = [number for number, done in source.done_in(needed).items() if not done]
        if lacking and source.plan.n == 1:
            return f"{source}, which it reads, is not done"
        if lacking:
            what = f"chunk {lacking[0]}" if len(needed) == 1 else f"{len(lacking)} of {len(needed)} chunks"
            return f"{what} of {source}, which it reads, {'is' if len(lacking) == 1 else 'are'} not done"
    return None


def damaged(step: Step, chunk: int) -> str:
    """What is the matter with a file that this chunk reads and that is not as it was written; "" if all are."""
    columns, needed = step.plan.columns, chunks_read(step, chunk)
    for name in dict.fromkeys([*needed, *columns.columns.values(), *columns.tables.values()]):
        source = step.other(name)
        for number in needed.get(name, range(source.plan.n)):
            found = read_record_of(source.paths, number)
            if isinstance(found, Broken):
                return found.lacks
    return ""


def laid_out_over(step: Step) -> str | None:
    """The input whose rows the step cut into chunks of its own; None if it takes over chunks, or has no input."""
    plan = step.plan
    return plan.inputs[0] if plan.kind == "map" and plan.inputs and not plan.aligned else None


def source_of(step: Step, chunk: int, known: Known | None = None) -> str:
    """What a chunk reads now: the edition of the only chunk that it reads, or a stamp of all that it reads.

    "" where some of it is not known.
    """
    editions: list[str] = []
    for name, needed in chunks_read(step, chunk).items():
        if name == laid_out_over(step):
            editions.append(borders_of(step, chunk).stamp)
        else:
            there = known[name] if known and name in known else step.other(name).done_in(needed)
            editions += [done.edition if (done := there.get(number)) else "" for number in needed]
    if len(editions) == 1:
        return editions[0]
    return make_stamp(editions) if all(editions) or step.plan.without_unfinished else ""


def sources_of(step: Step, done: Mapping[int, Done], known: Known) -> dict[int, str]:
    """What each of these chunks would read now; "" where some of that is not known, "none" before they are laid out."""
    if list(step.modes.values()) == ["same"]:
        there = known[step.plan.inputs[0]]
        return {chunk: record.edition if (record := there.get(chunk)) else "" for chunk in done}
    alike = len(step.modes) == 1 and not step.plan.continues  # all chunks of a layout read the same
    found: dict[int, str] = {}
    for layout in step.layouts:
        own = done if len(step.layouts) == 1 else [chunk for chunk in done if layout.first <= chunk < layout.end]
        if laid_out_over(step) is not None and not step.paths.borders_of(layout.number).exists():
            found |= dict.fromkeys(own, "none")
        elif alike and own:
            found |= dict.fromkeys(own, source_of(step, layout.first, known))
        else:
            found |= {chunk: source_of(step, chunk, known) for chunk in own}
    return found


def is_behind(step: Step) -> bool:
    """Whether the input that its chunks were laid out over has got other rows since."""
    name = laid_out_over(step)
    if name is None:
        return False
    for layout in step.layouts:
        if step.paths.borders_of(layout.number).exists() and (stamp := borders_of(step, layout.first).stamp):
            there = step.other(name).done_in(chunks_read(step, layout.first)[name])
            if stamp != make_stamp(done.edition if done else "" for done in there.values()):
                return True
    return False


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
    source, needed = step.other(name), chunks_read(step, chunk)[name]
    records = [done for done in source.done_in(needed).values() if done]
    if len(records) < len(needed):
        raise InputError(f"step {step} needs all of {source}: {len(records)} of {len(needed)} chunks are done")
    offsets = [0]
    for record in records:
        offsets.append(offsets[-1] + record.rows_kept)
    weight = step.plan.chunking.cost
    if weighed := weight in source.plan.gives:
        rows = source.kept(only=list(needed))
        cost = rows.select(pl.col(str(weight)).cast(pl.Float64)).collect().to_series()
    else:
        cost = pl.repeat(1.0, offsets[-1], eager=True)
    borders = chunks.borders(cost, layout.end - layout.first)
    made = Borders(borders, offsets, make_stamp(record.edition for record in records))
    if weighed:
        costs = Costs(chunks.costs(cost, borders))
        write_once(step.paths.costs_of(layout.number), {**costs._asdict(), "format": FORMAT})
    write_once(path, {**made._asdict(), "format": FORMAT})
    return read_borders(step, path)


def read_borders(step: Step, path: Path) -> Borders:
    """The borders in a file, which may be of a hundred thousand chunks: read once a task. Raises FileNotFoundError."""
    time_ns = path.stat().st_mtime_ns
    if path not in step.known_borders or step.known_borders[path][0] != time_ns:
        step.known_borders[path] = time_ns, read_record(path, Borders, decides=False)
    return step.known_borders[path][1]
