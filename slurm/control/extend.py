"""Extending a run: its source has new rows, and every step behind it gets new chunks for them.

Also what becomes of a step whose input has other rows than when its chunks were laid out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from slurm.control.survey import Survey
from slurm.record import chunks
from slurm.record.chunks import follow_input, is_behind, laid_out_over
from slurm.record.manifest import Step, steps


@dataclass(frozen=True)
class Growth:
    """What a source has now that the run has not."""

    source: str  # step
    new: int  # rows
    known: int  # rows that the run has already
    gone: int  # of these, rows that the source has no more; they stay in the run

    def __str__(self) -> str:
        gone = f"; {self.gone:,} of the run's are no longer in the source, and stay" if self.gone else ""
        return f"{self.source}: {self.new:,} new rows in the source beside {self.known:,}{gone}"


def steps_behind(run: Path, name: str) -> list[str]:
    """The steps that read this one, at once or through others, each behind those that it reads."""
    behind = {name}
    for other in steps(run):
        if behind & set(Step(run, other).plan.inputs):
            behind.add(other)
    return [other for other in steps(run) if other in behind - {name}]


def grow(step: Step, growth: Growth) -> None:
    """Adds the chunks that a step lacks for what its inputs have got. What is done stays done; safe to repeat.

    A reduce step that does not continue is made again by itself, since it reads all of its inputs.
    """
    plan = step.plan
    if step.name == growth.source:
        if growth.new:
            step.extend(plan.n + 1)
        return
    covered = step.layouts[-1].inputs
    now = {name: Step(step.run, name).plan for name in plan.inputs}
    if plan.kind == "reduce":
        if plan.continues and any(now[name].n > covered[name] for name in now):
            step.extend(plan.n + 1)
        return
    first = plan.inputs[0]
    added = now[first].n - covered[first]
    if added and plan.aligned:
        step.extend(now[first].n)
    elif added:
        step.extend(plan.n + count_new(step, growth, added, covered[first]))


def follow(found: Survey, inputs: Mapping[str, Survey]) -> bool:
    """Whether the borders of a step's chunks move, since its input has other rows now: writes them.

    Not before the input is done, nor while tasks are at the step: these follow it by themselves.
    """
    step, name = found.step, laid_out_over(found.step)
    if name is None or found.active or not inputs[name].complete() or not is_behind(step, inputs[name].done):
        return False
    for layout in step.layouts:
        follow_input(step, layout)
    return True


def count_new(step: Step, growth: Growth, added: int, covered: int) -> int:
    """The number of chunks for the new rows of the input: by their number where it is known, else in proportion."""
    chunking, source = step.plan.chunking, Step(step.run, step.plan.inputs[0])
    done = [record for record in source.done_in(range(covered, covered + added)).values() if record]
    if chunking.n is None and len(done) == added:
        return chunks.count(sum(record.rows_kept for record in done), chunking.size)
    if chunking.n is None and source.name == growth.source:
        return chunks.count(growth.new, chunking.size)
    share = growth.new / growth.known if growth.known else 1.0
    return max(1, ceil(step.plan.n * share))
