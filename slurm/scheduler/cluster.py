"""Where tasks run: site settings, and the submitit executor that they make."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import submitit
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from slurm.errors import ClusterError, InputError

PREEMPT_SIGNAL = os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2")  # as submitit has it
STRICT = ConfigDict(extra="forbid")

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=STRICT)
class Container:
    """An image that the tasks run in; `runtime` null runs them in the environment that submits."""

    runtime: Literal["pyxis", "apptainer"] | None
    image: str | None
    mounts: list[str]


@dataclass(frozen=True, config=STRICT)
class Cluster:
    """Site settings and the resources of one task; the values stand in conf/cluster/*.yaml."""

    executor: Literal["slurm", "local", "debug"]
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    exclude: str | None
    cpus: Count
    gpus: Whole
    mem_gb: Size
    minutes: Count
    max_mem_gb: Size
    max_minutes: Count
    parallel: Count  # tasks at once, over all arrays of a submission
    max_array_size: Count  # used where scontrol does not tell
    signal_delay_s: Whole  # the warning before the time limit; no new items from then on
    setup: list[str]
    container: Container
    extra: dict[str, Any]  # more sbatch parameters, by their long names
    env: dict[str, str]  # for Slurm's own commands and the tasks


def cpu_count() -> int:
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def environment(cluster: Mapping[str, Any]) -> dict[str, str]:
    """The environment in which to call Slurm's commands for a cluster."""
    return {**os.environ, **cluster["env"]}


def executor(cluster: Cluster, folder: Path, **more: Any) -> submitit.core.core.Executor:
    """The submitit executor; `more` are sbatch parameters by submitit's names (job_name, dependency, …)."""
    if cluster.executor == "debug":
        return submitit.DebugExecutor(folder)
    if cluster.executor == "local":
        local = submitit.LocalExecutor(folder)
        local.update_parameters(timeout_min=cluster.minutes, setup=cluster.setup, gpus_per_node=cluster.gpus)
        local.parameters["stderr_to_stdout"] = True
        return local
    made = submitit.SlurmExecutor(folder, python=_python(cluster.container))
    made.update_parameters(
        **{k: getattr(cluster, k) for k in ("partition", "account", "qos", "constraint", "exclude")},
        time=cluster.minutes,
        mem=f"{int(cluster.mem_gb * 1024)}M",
        cpus_per_task=cluster.cpus,
        gpus_per_node=cluster.gpus or None,
        signal_delay_s=cluster.signal_delay_s,
        array_parallelism=cluster.parallel,
        wckey=None,  # submitit's own would be refused where these are controlled
        setup=cluster.setup,
        srun_args=_srun(cluster.container),
        stderr_to_stdout=True,
        additional_parameters={"kill-on-invalid-dep": "yes", "requeue": True, **cluster.extra},
        **more,
    )
    return made


def _python(container: Container) -> str:
    """The command that runs Python in a task. Slurm may send the signal before the timeout at once, before Python can
    handle it: until then it is ignored, and the deadline tells the task just as well."""
    python = [sys.executable]
    if container.runtime == "apptainer":
        binds = [word for mount in container.mounts for word in ("--bind", mount)]
        python = ["apptainer", "exec", *binds, str(container.image), "python"]
    return shlex.join(["sh", "-c", f'trap "" {PREEMPT_SIGNAL}; exec "$@"', "sh", *python])


def _srun(container: Container) -> list[str] | None:
    if container.runtime != "pyxis":
        return None
    mounts = [f"--container-mounts={','.join(container.mounts)}"] if container.mounts else []
    return [f"--container-image={container.image}", *mounts]


def script(cluster: Cluster, folder: Path, tasks: int, **more: Any) -> str:
    """The sbatch script that an array of `tasks` is submitted with."""
    made = cast(submitit.SlurmExecutor, executor(cluster, folder, **more))
    made.parameters["map_count"] = tasks
    return str(made._make_submission_file_text(made._submitit_command_str, "dry"))


def check(cluster: Cluster, folder: Path) -> None:
    """Raises a readable error if this cluster would refuse a task: nothing is submitted or written."""
    if cluster.executor != "slurm":
        return
    env = environment({"env": cluster.env})
    if shutil.which("sbatch", path=env.get("PATH")) is None or shutil.which("srun", path=env.get("PATH")) is None:
        raise ClusterError(
            "no Slurm on this machine (sbatch is not on PATH): say cluster=local, or log in to the cluster"
        )
    if cluster.container.runtime and not cluster.container.image:
        raise InputError(f"cluster.container.runtime={cluster.container.runtime} needs cluster.container.image")
    ask = ["sbatch", "--test-only"]
    answer = subprocess.run(
        ask, input=script(cluster, folder, 1), env=env, capture_output=True, text=True, check=False, timeout=120
    )
    if answer.returncode:
        raise ClusterError(_refusal(answer.stderr.strip(), cluster, env))


def _refusal(message: str, cluster: Cluster, env: dict[str, str]) -> str:
    """sbatch's words, with what would be valid instead."""
    message = re.sub(r"(sbatch: |allocation failure: |error: )", "", message).replace("\n", "; ")
    if "partition" in message:
        there = _output(["sinfo", "-h", "-o", "%R"], env).split()
        return f"cluster.partition={cluster.partition}: {message}. Partitions here: {', '.join(sorted(set(there)))}"
    if "unrecognized option" in message:
        valid = sorted(set(re.findall(r"--([a-z][a-z-]+)", _output(["sbatch", "--help"], env))))
        return f"cluster.extra: {message}. sbatch takes: {', '.join(valid)}"
    if "account" in message.lower() or "qos" in message.lower():
        return f"cluster.account={cluster.account} cluster.qos={cluster.qos}: {message}"
    if "node configuration is not available" in message.lower():
        return (
            f"no node has cluster.cpus={cluster.cpus} cluster.gpus={cluster.gpus} cluster.mem_gb={cluster.mem_gb:g} "
            f"cluster.constraint={cluster.constraint}: {message}"
        )
    return f"sbatch would refuse this: {message}"


def _output(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60).stdout


def max_array_size(cluster: Cluster) -> int:
    """Slurm's MaxArraySize (one more than the largest index), or the config's value where scontrol does not tell."""
    try:
        found = re.search(
            r"MaxArraySize\s*=\s*(\d+)", _output(["scontrol", "show", "config"], environment({"env": cluster.env}))
        )
    except (OSError, subprocess.TimeoutExpired):
        found = None
    return int(found[1]) if found else cluster.max_array_size
