"""What people write with submitit alone: an array of held tasks that do nothing. Prints its job.

python -m scripts.bench.peers.array FOLDER TASKS
"""

import sys

import submitit


def idle(number: int) -> None:
    """A task that does nothing."""


if __name__ == "__main__":
    executor = submitit.SlurmExecutor(sys.argv[1])
    executor.update_parameters(time=20, mem="2G", additional_parameters={"hold": True})
    print(executor.map_array(idle, range(int(sys.argv[2])))[0].job_id.split("_")[0])
