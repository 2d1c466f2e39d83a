"""What a chunk reads: which chunks of its step's inputs, whether they are done, and as which edition."""

from collections.abc import Mapping

from slurm.record.chunks import borders_of, covered_by, has_moved, input_of, laid_out_over, rows_read
from slurm.record.done import Done, make_stamp
from slurm.record.finished import Broken, read_record_of
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
        elif name == laid_out_over(step):
            needed[name] = covered_by(step, chunk)
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
    moved = has_moved(step, chunk)
    for name, part in chunks_read(step, chunk).items():
        source = step.other(name)
        whole = moved and name == laid_out_over(step)  # where its rows lie now depends on all of it
        needed = input_of(step, step.layout_of(chunk)) if whole else part
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


def source_of(step: Step, chunk: int, known: Known | None = None) -> str:
    """What a chunk reads now: the edition of the only chunk that it reads, or a stamp of all that it reads.

    "" where some of it is not known.
    """
    editions: list[str] = []
    for name, needed in chunks_read(step, chunk).items():
        there = known[name] if known and name in known else step.other(name).done_in(needed)
        found = [done.edition if (done := there.get(number)) else "" for number in needed]
        if name == laid_out_over(step):
            layout = step.layout_of(chunk)
            before = [""] * (needed.start - input_of(step, layout).start)
            found = rows_read(borders_of(step, chunk), chunk - layout.first, [*before, *found])
        editions += found
    return _stamp(step, editions)


def _stamp(step: Step, editions: list[str]) -> str:
    """The source of a chunk that reads all of these."""
    if len(editions) == 1:
        return editions[0]
    return make_stamp(editions) if all(editions) or step.plan.without_unfinished else ""


def sources_of(step: Step, done: Mapping[int, Done], known: Known) -> dict[int, str]:
    """What each of these chunks would read now; "" where some of that is not known, "none" before they are laid out."""
    if list(step.modes.values()) == ["same"]:
        there = known[step.plan.inputs[0]]
        return {chunk: record.edition if (record := there.get(chunk)) else "" for chunk in done}
    cuts, alone = laid_out_over(step), len(step.modes) == 1 and not step.plan.continues
    found: dict[int, str] = {}
    for layout in step.layouts:
        own = done if len(step.layouts) == 1 else [chunk for chunk in done if layout.first <= chunk < layout.end]
        if cuts is not None and not step.paths.borders_of(layout.number).exists():
            found |= dict.fromkeys(own, "none")
        elif alone and cuts is not None:
            there, needed = known[cuts], input_of(step, layout)
            editions = [record.edition if (record := there.get(number)) else "" for number in needed]
            borders, first = borders_of(step, layout.first), layout.first
            found |= {chunk: _stamp(step, rows_read(borders, chunk - first, editions)) for chunk in own}
        elif alone and own:  # all chunks of a layout read the same
            found |= dict.fromkeys(own, source_of(step, layout.first, known))
        else:
            found |= {chunk: source_of(step, chunk, known) for chunk in own}
    return found
