"""Which jobs a step's tasks wait for: when they are submitted, and when chunks that they read are submitted again."""

from collections.abc import Callable, Iterable, Mapping

from slurm.control.resumed import Inputs
from slurm.control.submit import load_windows
from slurm.control.survey import Survey
from slurm.record.inputs import chunks_read
from slurm.record.manifest import Step
from slurm.scheduler.backend import Backend

NEVER = "PENDING DependencyNeverSatisfied"


def dependency_of(step: Step, inputs: Inputs) -> Callable[[list[list[int]]], str | None]:
    """The sbatch dependency of a window: chunk by chunk where the input has a like array, else a barrier."""
    settled = {name: source.settled for name, source in inputs.items()}
    modes = {**step.modes, **({step.name: "new"} if step.plan.continues else {})}

    def after(tasks: list[list[int]]) -> str | None:
        words = []
        for name, source in inputs.items():
            twin = None
            if modes[name] == "same":
                twin = next((w for w in source.arrays if w.tasks == tasks and len(tasks) > 1), None)
            ranges = {chunks_read(step, chunk).get(name, range(0)) for task in tasks for chunk in task}
            if twin:
                words.append(f"aftercorr:{twin.job}")
            elif source.jobs and any(number not in settled[name] for needed in ranges for number in needed):
                words.append(f"afterany:{':'.join(source.jobs)}")
        return ",".join(words) or None

    return after


def queue_behind(step: Step, found: Survey, inputs: Inputs, slurm: Backend) -> str:
    """Has tasks in the queue wait for chunks as well that they read and that were submitted just now.

    Tasks whose dependency can never be satisfied wait for these alone; those that read only what is done wait no more
    for jobs of their inputs, which may be in the queue for long. Gives why another resume is needed, where tasks have
    begun already, or Slurm refuses; "" if none is.
    """
    anew = {name: set(source.submitted) for name, source in inputs.items() if source.windows and name != step.name}
    begun, refusals = 0, []
    for window in found.windows:
        states = {chunk: found.active[chunk] for task in window.tasks for chunk in task if chunk in found.active}
        early = [chunk for chunk in states if _reads(step, chunk, anew)]
        begun += sum(not states[chunk].startswith("PENDING") for chunk in early)
        if NEVER in states.values() or any(states[chunk].startswith("PENDING") for chunk in early):
            jobs = [made.job for name in anew for made in inputs[name].windows]
            refusals.append(slurm.wait_for(window.job, jobs))
        elif "PENDING Dependency" in states.values() and not window.shared and _reads_settled(step, states, inputs):
            refusals.append(slurm.wait_for(window.job, [], no_more=jobs_of(inputs, step)))
    if refused := next(filter(None, refusals), ""):
        return f"tasks of it may begin before chunks that they read are done ({refused})"
    return f"{begun:,} of its chunks are under way, and chunks that they read were submitted again" if begun else ""


def jobs_of(inputs: Inputs, step: Step) -> set[str]:
    """All jobs that were ever submitted for the inputs of a step."""
    sources = [source.survey.step for name, source in inputs.items() if name != step.name]
    return {window.job for source in sources for name in source.submissions() for window in load_windows(source, name)}


def _reads_settled(step: Step, chunks: Iterable[int], inputs: Inputs) -> bool:
    """Whether all that chunks read is done. An input whose job nobody knows yet, since it is being sent, is not."""
    needed = {read for chunk in chunks for read in chunks_read(step, chunk).items()}
    settled = {name: source.settled for name, source in inputs.items()}
    return all(number in settled[name] for name, numbers in needed for number in numbers)


def _reads(step: Step, chunk: int, chunks: Mapping[str, set[int]]) -> bool:
    """Whether a chunk reads one of these chunks of its inputs."""
    needed = chunks_read(step, chunk) if chunks else {}
    return any(not chunks[name].isdisjoint(needed.get(name, ())) for name in chunks)
