"""cluster.executor=debug: tasks run in this process, one after another, where a debugger can follow them."""

import os
import signal

from slurm.scheduler.array import Array, Watch
from slurm.scheduler.environment import variables
from slurm.scheduler.local import Local


class Debug(Local):
    """As `Local`, but without processes; a task shows its own progress."""

    in_process = True

    def send(self, array: Array, watch: Watch | None = None, tries: int = 1) -> str:
        import submitit  # here, since commands that send nothing need none of it

        os.environ.update(variables(self.cluster))
        made = submitit.DebugExecutor(array.folder)
        for argument in array.arguments:
            try:
                made.submit(array.function, argument).exception()  # runs it; what it raised stands in its records
            except SystemExit as error:  # it was asked to stop, and has flushed
                if error.code == 128 + signal.SIGINT:
                    raise KeyboardInterrupt from error
                raise
        return "local"
