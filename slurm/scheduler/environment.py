"""The environment in which Slurm's own commands are called: without what another job, or a profile, has put there.

Inside a job srun takes the job's SLURM_* for options, and sbatch hands them on to the tasks. Outside, sbatch reads
SBATCH_TIMELIMIT and the like after the lines of its script, and SQUEUE_STATES and the like hide jobs from squeue. What
the run says shall count alone.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

FOREIGN = re.compile(r"(SLURMD?|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SINFO|SCANCEL|SCONTROL|PMI[2X]?)_")
LOCK = Lock()
KEPT = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT"}  # which cluster is asked, and as whom


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what is foreign, and with a cluster's `own` variables."""
    return {name: value for name, value in os.environ.items() if name in KEPT or not FOREIGN.match(name)} | dict(own)


@contextmanager
def applied(env: Mapping[str, str]) -> Iterator[None]:
    """Makes this process's environment like `env` for what is called meanwhile; one thread at a time."""
    with LOCK:
        before = dict(os.environ)
        changed = {name for name in before.keys() | env.keys() if before.get(name) != env.get(name)}
        try:
            _set(changed, env)
            yield
        finally:
            _set(changed, before)


def _set(names: Iterable[str], values: Mapping[str, str]) -> None:
    for name in names:
        if name in values:
            os.environ[name] = values[name]
        else:
            os.environ.pop(name, None)
