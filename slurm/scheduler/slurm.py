"""cluster.executor=slurm: tasks are arrays of Slurm jobs, submitted through submitit."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.errors import ClusterError, InputError
from slurm.scheduler import accounting
from slurm.scheduler.accounting import Ended, Queued
from slurm.scheduler.array import Array, Watch, check_folder
from slurm.scheduler.cluster import Cluster, Container
from slurm.scheduler.environment import applied, environment, variables
from slurm.scheduler.tasks import write_tasks

if TYPE_CHECKING:
    from slurm.scheduler.executors import SlurmExecutor

PREEMPT_SIGNAL = os.environ.get("SUBMITIT_PREEMPT_SIGNAL", "USR2")  # as submitit has it
REPLACED = "%\\\n\r"  # in the path of a log: sbatch's patterns, and what ends a line of its script
TRANSIENT = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "Connection refused",
    "Connection reset",
    "Zero Bytes were transmitted",
    "temporarily una",  # "… unable to accept job", "Resource temporarily unavailable" (MaxJobCount)
    "Transport endpoint",
    "timed out",
    "try again",
)
NO_NODE = "node configuration is not available"
UPDATED = ("No error", "no longer pending")  # of an array, for tasks that were updated, and for those that run


class Slurm:
    """See `Backend`."""

    submits = True
    in_process = False
    limits_memory = True
    beat_s = 15.0  # a shared filesystem is not to be written to by thousands of tasks every second

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @cached_property
    def env(self) -> dict[str, str]:
        """The environment of Slurm's commands. Raises InputError if cluster.env_file cannot be read."""
        return environment(variables(self.cluster))

    @cached_property
    def asking(self) -> dict[str, str]:
        """The environment of those that only ask: without a file of variables that another user alone can read."""
        try:
            return self.env
        except InputError:
            return environment(variables(replace(self.cluster, env_file=None)))

    def check(self, folder: Path, *, again: bool = False) -> None:
        """Asks sbatch --test-only; the error names the key, and what would be valid."""
        check_folder(folder, REPLACED)
        if again:
            return
        container = self.cluster.container
        if any(shutil.which(command, path=self.env.get("PATH")) is None for command in ("sbatch", "srun")):
            raise ClusterError(
                "no Slurm on this machine (sbatch is not on PATH): say cluster=local, or log in to the cluster"
            )
        if container.runtime and not container.image:
            raise InputError(f"cluster.container.runtime={container.runtime} needs cluster.container.image")
        ask, script = ["sbatch", "--test-only"], self.script(folder, 1)
        answer = subprocess.run(
            ask, input=script, env=self.env, capture_output=True, text=True, check=False, timeout=120
        )
        if NO_NODE in answer.stderr.lower() and not all(accounting.nodes(self.cluster.partition, self.env).values()):
            return  # as long as a node is down, Slurm says so of what would run there tomorrow
        if answer.returncode:
            raise ClusterError(_refusal(answer.stderr.strip(), self.cluster, self.env))

    def array_size(self, tasks: int) -> int:
        """Slurm's MaxArraySize, or cluster.max_array_size where scontrol does not tell."""
        try:
            found = re.search(r"MaxArraySize\s*=\s*(\d+)", _output(["scontrol", "show", "config"], self.env))
        except (OSError, subprocess.TimeoutExpired):
            found = None
        return int(found[1]) if found else self.cluster.max_array_size

    def send(self, array: Array, watch: Watch | None = None, tries: int = 1) -> str:
        """The job's id. Before another try Slurm is asked whether the last one was accepted although it failed."""
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

        made = self._executor(array.folder, job_name=_plain(array.name), dependency=array.dependency)
        record = write_tasks(array.folder, array.function, array.arguments)
        made.parameters["array_parallelism"] = array.parallel
        again = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, FailedJobError) and _transient(str(error))),
            wait=wait_exponential_jitter(initial=1, max=30),
            stop=stop_after_attempt(tries),
            reraise=True,
        )

        def send() -> str:
            adopted = self.find(array.name) if again.statistics["attempt_number"] > 1 else None
            if adopted:
                return adopted
            with applied(self.env):  # submitit calls sbatch in this process's environment
                return made.send(record, len(array.arguments))

        try:
            return again(send)
        except (FailedJobError, FailedSubmissionError) as error:
            raise ClusterError(str(error).strip().splitlines()[-1]) from error

    def script(self, folder: Path, tasks: int) -> str:
        return self._executor(folder).script(folder / "tasks.json", tasks)

    def nodes(self) -> list[str]:
        return [node for node, up in accounting.nodes(self.cluster.partition, self.asking).items() if up]

    def queued(self, jobs: list[str]) -> list[Queued] | None:
        return accounting.queued(jobs, self.asking)

    def just_ended(self, jobs: list[str]) -> set[tuple[str, int]]:
        return accounting.just_ended(jobs, self.asking)

    def ended(self, jobs: list[str]) -> dict[str, list[Ended]] | None:
        return accounting.ended(jobs, self.asking)

    def restarts(self, jobs: list[str]) -> dict[tuple[str, int], int]:
        return accounting.restarts(jobs, self.asking)

    def wait_for(self, job: str, others: list[str], no_more: Collection[str] = ()) -> str:
        now = _output(["squeue", "-h", "-j", job, "-t", "PENDING", "-o", "%E"], self.env)
        # chunk by chunk it is not any more: of an array, one task may wait for what another can never get
        parts = [part.replace("aftercorr", "afterany") for part in re.findall(r"([a-z]+:[^,(]+)\(unfulfilled\)", now)]
        kept = [part for part in parts if part.partition(":")[2].partition("_")[0] not in no_more]
        if no_more and len(kept) == len(parts):
            return ""
        parts = kept
        parts += [f"afterany:{':'.join(others)}"] if others else []
        ask = ["scontrol", "update", f"jobid={job}", f"dependency={','.join(dict.fromkeys(parts))}"]
        answer = subprocess.run(ask, env=self.env, capture_output=True, text=True, check=False, timeout=60)
        said = (answer.stdout + answer.stderr).splitlines() if answer.returncode else []
        return "; ".join(line for line in said if line.strip() and not any(words in line for words in UPDATED))

    def find(self, name: str) -> str | None:
        return accounting.find(_plain(name), self.asking)

    def cancel(self, jobs: list[str], *, waiting_only: bool = False) -> None:
        command = ["scancel", *(["--state=PENDING"] if waiting_only else []), *jobs]
        answer = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=60)
        if answer.returncode and not waiting_only:
            raise ClusterError(f"scancel failed: {answer.stderr.strip()}")

    def _executor(self, folder: Path, **more: str | None) -> "SlurmExecutor":
        """submitit's executor; `more` are sbatch parameters by submitit's names."""
        from slurm.scheduler.executors import SlurmExecutor  # here, since commands that send nothing need none of it

        check_folder(folder, REPLACED)
        cluster = self.cluster
        made = SlurmExecutor(folder, python=_python(cluster.container))
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
    """The command that runs Python in a task, which ignores Slurm's warning signal until Python handles it.

    Where the time limit is short, the signal comes at once and would end the task; the task knows its deadline anyway.
    """
    python = [sys.executable] if container.runtime is None else ["python"]  # the image has one of its own
    if container.runtime == "apptainer":
        binds = [word for mount in container.mounts for word in ("--bind", mount)]
        python = ["apptainer", "exec", *binds, str(container.image), *python]
    return shlex.join(["sh", "-c", f'trap "" {PREEMPT_SIGNAL}; exec "$@"', "sh", *python])


def _srun(container: Container) -> list[str] | None:
    if container.runtime != "pyxis":
        return None
    mounts = [f"--container-mounts={','.join(container.mounts)}"] if container.mounts else []
    return [f"--container-image={container.image}", *mounts]


def _plain(name: str) -> str:
    """A job's name as squeue and sacct can be asked for it: a comma divides names there."""
    return re.sub(r"[^\w.@=+-]", "_", name)


def _transient(message: str) -> bool:
    return any(words.lower() in message.lower() for words in TRANSIENT)


def _refusal(message: str, cluster: Cluster, env: dict[str, str]) -> str:
    """sbatch's error message with the key that caused it, and the values that would be valid."""
    message = re.sub(r"(sbatch: |allocation failure: |error: )", "", message).replace("\n", "; ")
    if "partition" in message:
        there = _output(["sinfo", "-h", "-o", "%R"], env).split()
        return f"cluster.partition={cluster.partition}: {message}. Partitions here: {', '.join(sorted(set(there)))}"
    if "unrecognized option" in message:
        valid = sorted(set(re.findall(r"--([a-z][a-z-]+)", _output(["sbatch", "--help"], env))))
        return f"cluster.extra: {message}. sbatch takes: {', '.join(valid)}"
    if "account" in message.lower() or "qos" in message.lower():
        return f"cluster.account={cluster.account} cluster.qos={cluster.qos}: {message}"
    if NO_NODE in message.lower():
        return (
            f"no node has cluster.cpus={cluster.cpus} cluster.gpus={cluster.gpus} cluster.mem_gb={cluster.mem_gb:g} "
            f"cluster.constraint={cluster.constraint}: {message}"
        )
    return f"sbatch would refuse this: {message}"


def _output(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60).stdout
