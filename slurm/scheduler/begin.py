"""python -m slurm.scheduler.begin RECORD UMASK [NUMBER]: how a task begins.

RECORD says what each task of its array does (tasks.py); NUMBER is this one's, else that of the Slurm array. submitit
would load a pickle a task, and bring numpy and asyncio, which cost more than the rest of a start.
"""

import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from slurm.credentials import redact
from slurm.errors import ReelmillError, TooEarlyError, is_disk_full
from slurm.scheduler.accounting import DISK_FULL, GATED
from slurm.scheduler.signals import LOG, own_job
from slurm.scheduler.tasks import read_task


def main(record: str, mask: str, number: str = "") -> None:
    os.umask(int(mask, 8))
    sys.excepthook = lambda *error: print(redact("".join(traceback.format_exception(*error))), file=sys.stderr, end="")
    signal.signal(signal.SIGTERM, lambda *_: None)  # until the task can flush; what does not end then is killed
    job = own_job() or os.environ.get("SUBMITIT_LOCAL_JOB_ID", "")
    os.environ[LOG] = str(Path(record).with_name(f"{job}_0_log.out"))  # as submitit names it
    try:
        function, argument = read_task(Path(record), int(number or os.environ["SLURM_ARRAY_TASK_ID"]))
        function(argument)
    except (OSError, ReelmillError) as error:
        if is_disk_full(error):
            end(error, DISK_FULL)
        if isinstance(error, TooEarlyError):
            end(error, GATED)
        raise


def end(error: Exception, status: int) -> NoReturn:
    """Ends the process with this status: its last event and its log may have found no room, or get lost."""
    with suppress(OSError):
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout = sys.stderr = None  # else what they hold may make the exit status another
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
