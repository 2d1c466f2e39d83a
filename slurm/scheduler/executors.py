"""The executors of submitit, which write the scripts and start the jobs; its tasks begin with begin.py."""

from pathlib import Path
from shlex import quote
from typing import Any

import submitit

from slurm.scheduler.tasks import closed_to_others, umask


class SlurmExecutor(submitit.SlurmExecutor):  # the names are submitit's, which knows executors by them
    def send(self, record: Path, tasks: int) -> str:
        """The id of an array of so many tasks; of one task a job of its own."""
        self.count(tasks)
        command = self.command(record, tasks)  # before the folder is closed, by an umask that is not the tasks'
        with closed_to_others(self.folder):
            return str(self._submit_command(command).job_id)

    def script(self, record: Path, tasks: int) -> str:
        """What `send` would give sbatch."""
        self.count(tasks)
        return str(self._make_submission_file_text(self.command(record, tasks), "dry"))

    def count(self, tasks: int) -> None:
        if tasks > 1:
            self.parameters["map_count"] = tasks

    def command(self, record: Path, tasks: int) -> str:
        return begin(self.python, record, None if tasks > 1 else 0)


class LocalExecutor(submitit.LocalExecutor):
    def start(self, record: Path, number: int) -> "submitit.Job[Any]":
        """The process of this task."""
        return self._submit_command(begin(self.python, record, number))


def begin(python: str, record: Path, number: int | None) -> str:
    """The command of a task; of an array, all of whose tasks have the same one, without its number."""
    return f"{python} -u -m slurm.scheduler.begin {quote(str(record))} {umask():o} {'' if number is None else number}"
