"""How far the chunks of a step are, in words: done, stale, in the queue, failed, waiting."""

from collections.abc import Sequence

from slurm.control.survey import Survey, survey
from slurm.explain.walk import Visit
from slurm.record.chunks import laid_out_over
from slurm.record.finished import Broken, read_record_of
from slurm.record.inputs import missing, source_of
from slurm.record.manifest import Step
from slurm.record.plan import differences

DONE = "done"
FEW = 20  # chunks that are looked at one by one, without a survey of the step


def standing(visit: Visit) -> dict[str, list[int]]:
    """The visit's chunks by how far they are, in words."""
    step, found = visit.step, dict[str, list[int]]()
    surveyed: Survey | None = None
    for chunk in visit.chunks:
        if len(visit.chunks) <= FEW and chunk in visit.done and _is_fresh(step, chunk, visit):
            words = DONE
        else:
            surveyed = surveyed or survey(step)
            words = _words(step, chunk, surveyed)
        found.setdefault(words, []).append(chunk)
    return found


def _is_fresh(step: Step, chunk: int, visit: Visit) -> bool:
    """Whether a chunk that is done has read what its inputs have now."""
    record = visit.done[chunk]
    if not record.source or not step.plan.inputs:
        return True
    if laid_out_over(step) and not step.paths.borders_of(step.layout_of(chunk).number).exists():
        return False
    return source_of(step, chunk) in ("", record.source)


def _words(step: Step, chunk: int, found: Survey) -> str:
    state = found.state(chunk)
    if state == "active":
        return f"in the queue: {found.active[chunk]}"
    if state == "stale":
        return f"stale: {_why_stale(step, chunk)}"
    if state == "pending":
        return f"waits: {why}" if (why := missing(step, chunk)) else "waits: not tried yet"
    past = found.past.get(chunk)
    detail = past[-1].detail.partition("\n")[0] if past else ""
    return f"{state}: {detail}" if detail and state != "done" else state


def _why_stale(step: Step, chunk: int) -> str:
    record = read_record_of(step.paths, chunk)
    if isinstance(record, Broken) and not (record.record and record.record.fingerprint != step.plan.fingerprint):
        return record.lacks
    done = record.record if isinstance(record, Broken) else record
    if done and done.fingerprint != step.plan.fingerprint:
        old = step.former_plan(done.fingerprint)
        changed = differences(old.identity, step.plan.identity) if old else ["its config"]
        return f"since it was done this changed: {'; '.join(changed)}"
    return f"{', '.join(step.plan.inputs)} has other rows since it was read"


def numbered(chunks: Sequence[int]) -> str:
    """`chunk 3`, `chunks 3 to 5`, or `chunks 3, 7`; of many the first ones."""
    if len(chunks) == 1:
        return f"chunk {chunks[0]}"
    if len(chunks) == chunks[-1] - chunks[0] + 1:
        return f"chunks {chunks[0]} to {chunks[-1]}"
    return f"chunks {', '.join(map(str, chunks[:5]))}{', …' if len(chunks) > 5 else ''}"
