"""Replicas that ended without a word: their jobs could not be launched, died before our Python, or were killed."""

import time
from collections.abc import Sequence

from slurm.pool.registry import End, PoolFolder
from slurm.record.logs import last_line
from slurm.scheduler.accounting import NOT_LAUNCHED, SLURM_CAUSES, reason_held
from slurm.scheduler.backend import backend


def note_unstarted(folder: PoolFolder, jobs: Sequence[str]) -> list[str]:
    """Records how those of the jobs ended that left the queue and told nothing; takes out what cannot be launched.

    Gives the jobs that have just ended, of which Slurm's accounting does not tell yet how.
    """
    site = backend(folder.settings.cluster)
    known = {end.job for end in folder.ends()}
    silent = [job for job in jobs if job not in known]
    queue = site.queued(silent) if silent else None
    if queue is None:
        return []
    stuck = {task.job: reason for task in queue if (reason := reason_held(task)) in NOT_LAUNCHED}
    if stuck:
        site.cancel(sorted(stuck))
    gone = sorted({*silent} - {task.job for task in queue} | stuck.keys())
    lives, fresh = (site.ended(gone) or {}, site.just_ended(gone)) if gone else ({}, set())
    ending = []
    for job in gone:
        last = lives[job][-1] if lives.get(job) else None
        if job not in stuck and last is None and (job, 0) in fresh:
            ending.append(job)
            continue
        how = f"{last.state} {last.exit_code}" if last else "no word of its end"
        log = last_line(folder.root / "logs" / f"{job}_0_log.out")
        words = f"Slurm: {stuck.get(job, how)}" + (f"; its log ends: {log}" if log else "")
        ended_by_cluster = job not in stuck and last is not None and last.state in SLURM_CAUSES
        was_ready = (folder.root / "replicas" / f"{job}.json").exists()
        at = last.ended + 1.0 if last and last.ended else time.time()  # accounting knows whole seconds
        folder.record_end(End(job, "terminated" if ended_by_cluster else "failed", words, was_ready, at))
    return ending
