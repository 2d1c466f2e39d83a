"""What a resume did about a step, and what its other steps need to know of that; and how it sends tasks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from slurm.control.nodes import avoided
from slurm.control.retry import decide
from slurm.control.submit import Order, RefusedError, Window, submissions, submit
from slurm.control.survey import Survey
from slurm.record.history import Past
from slurm.scheduler.backend import backend
from slurm.scheduler.cluster import Cluster


@dataclass
class Resumed:
    """What was done about a step."""

    survey: Survey
    submitted: list[int] = field(default_factory=list)  # chunks
    windows: list[Window] = field(default_factory=list)
    set_aside: dict[int, str] = field(default_factory=dict)
    waits_for: str | None = None  # an input that nothing under way will complete
    why: dict[str, int] = field(default_factory=dict)  # reason → chunks submitted again for it
    without: list[str] = field(default_factory=list)  # inputs that are not finished, and that it is made without
    later: str = ""  # why nothing more of it was begun here
    once_more: str = ""  # why another resume is needed
    spent: str = ""  # why nothing more is asked of model servers: the run's budget

    @property
    def unhindered(self) -> bool:
        """Whether nothing stands in the way of what is not done."""
        return not (self.set_aside or self.waits_for or self.spent)

    @property
    def promised(self) -> set[int]:
        """Chunks that are done, or will be if all goes well."""
        return self.survey.done.keys() | self.survey.active.keys() | set(self.submitted)

    @property
    def settled(self) -> set[int]:
        """Chunks that are done and stay as they are."""
        return self.survey.done.keys() - self.survey.redone - set(self.submitted)

    @property
    def jobs(self) -> list[str]:
        return sorted({window.job for window in self.arrays})

    @property
    def arrays(self) -> list[Window]:
        return [*self.survey.windows, *self.windows]


Inputs = Mapping[str, Resumed]  # by step


def send(orders: Iterable[tuple[Resumed, Order, Cluster]]) -> None:
    """Submits these orders, away from nodes that failed; has them done where the backend does not submit.

    Orders alike, of points of a sweep, share their tasks: on a cluster as many of them as chunks.points says, here all.
    """
    alike: dict[str, list[tuple[Resumed, Order]]] = defaultdict(list)
    places: dict[str, tuple[Cluster, str | None, int]] = {}
    for report, order, where in orders:
        bad = avoided(report.survey.past.values(), where)
        exclude = ",".join(filter(None, [where.exclude, *bad])) or None
        points = order.step.plan.policy.points
        key = repr((where, exclude, points, order.tasks if backend(where).submits else ()))
        alike[key].append((report, order))
        places[key] = where, exclude, points if backend(where).submits else max(points, len(alike[key]))
    for key, found in alike.items():
        where, exclude, most = places[key]
        for start in range(0, len(found), most):
            _send(found[start : start + most], where, exclude)


def _send(sent: Sequence[tuple[Resumed, Order]], where: Cluster, exclude: str | None) -> None:
    orders = [order for _, order in sent]
    where = spread(where, sum(len(order.tasks) for order in orders)) if len(orders) > 1 else where
    try:
        windows = submit(orders, replace(where, exclude=exclude))
    except RefusedError:
        if exclude == where.exclude:
            raise
        windows = submit(orders, where)  # rather on a node that failed than nowhere
    for report, order in sent:
        report.windows += windows
        report.submitted += [chunk for task in order.tasks for chunk in task]


def cores(cluster: Cluster) -> int:
    """Of this machine, for all tasks that run at once."""
    return cluster.parallel * cluster.cpus


def spread(cluster: Cluster, tasks: int) -> Cluster:
    """The cores of this machine divided among as many processes as there are tasks; a cluster as it is."""
    place = backend(cluster)
    if place.submits or place.in_process or cluster.gpus:
        return cluster
    processes = min(tasks, cores(cluster))
    return replace(cluster, parallel=processes, cpus=max(1, cores(cluster) // processes))


def set_aside_failed(report: Resumed, tried: Iterable[int], before: Survey, cluster: Cluster) -> None:
    """Says of chunks that were run here why they are not done."""
    most = report.survey.step.plan.policy.max_attempts
    for chunk in report.survey.failed:
        report.set_aside[chunk] = decide(report.survey.past[chunk], cluster, most).why
    ends = {chunk: _unfinished(report.survey, chunk, before.past.get(chunk)) for chunk in sorted(tried)}
    report.set_aside |= {chunk: end for chunk, end in ends.items() if end}


def _unfinished(found: Survey, chunk: int, before: list[Past] | None) -> str | None:
    """Why a chunk that was run here is not done though no attempt says that it failed; None if it is, or waits."""
    if chunk in found.failed or chunk in found.active or (chunk in found.done and chunk not in found.lost):
        return None
    last = next(reversed(found.past.get(chunk, [])[len(before or []) :]), None)
    if last and last.cause:
        return None if last.cause in ("gated", "budget") else last.headline
    log = last.log if last else f"{found.step.paths.log_folder(submissions(found.step)[-1])}/"
    return f"its task ended without a word (killed, out of time, or it did not start): see {log}"
