"""The environment in which Slurm's own commands are called: without what another job, or a profile, has put there.

Inside a job srun takes the job's SLURM_* for options, and sbatch hands them on to the tasks. Outside, sbatch reads
SBATCH_TIMELIMIT and the like after the lines of its script, and SQUEUE_STATES and the like hide jobs from squeue. What
the run says shall count alone.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from slurm.credentials import MASK, conceal
from slurm.errors import InputError
from slurm.scheduler.cluster import Cluster

FOREIGN = re.compile(r"(SLURMD?|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SINFO|SCANCEL|SCONTROL|PMI[2X]?)_")
LOCK = Lock()
LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")
KEPT = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT"}  # which cluster is asked, and as whom


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what is foreign, and with a cluster's `own` variables."""
    return {name: value for name, value in os.environ.items() if name in KEPT or not FOREIGN.match(name)} | dict(own)


def variables(cluster: Cluster) -> dict[str, str]:
    """What a cluster adds to the environment; an InputError for what it cannot say."""
    own = {name: value for name, value in cluster.env.items() if value != MASK}  # another user's, whose values are his
    return read_env_file("cluster.env_file", cluster.env_file) | own | _cache(cluster)


def task_variables(cluster: Cluster) -> dict[str, str]:
    """What a task adds to its environment where it runs: the file of variables as it is now, not when submitted."""
    return read_env_file("cluster.env_file", cluster.env_file) | _cache(cluster)


def _cache(cluster: Cluster) -> dict[str, str]:
    key, path = "cluster.hub_cache", cluster.hub_cache
    return {} if path is None else {"HF_HUB_CACHE": str(spelt_out(key, path))}


def spelt_out(key: str, path: str) -> Path:
    """The path that a key of the config has; an InputError if it depends on the folder of whoever reads it."""
    if not (found := Path(path).expanduser()).is_absolute():
        raise InputError(f"{key}={path}: say where it is whichever folder a command is called in, /… or ~/…")
    return found


def read_env_file(key: str, path: str | None) -> dict[str, str]:
    """The variables of a file with NAME=VALUE lines; none without a file. An InputError names the config's `key`."""
    if path is None:
        return {}
    file, node = spelt_out(key, path), os.uname().nodename
    try:
        text = file.read_text()
    except OSError as error:
        raise InputError(f"{key}={path} cannot be read on {node}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{key}={path} is no text in UTF-8") from None
    found: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise InputError(f"{key}: line {number} of {path} is not NAME=VALUE")
        value = match[2]
        found[match[1]] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    conceal(found)
    return found


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
