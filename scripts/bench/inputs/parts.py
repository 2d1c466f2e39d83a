"""Does a finished reduce step once more in this process, and prints how long it reads and how long it chooses.

python -m scripts.bench.inputs.parts RUN STEP
"""

import json
import sys
import time
from pathlib import Path

from slurm.record.manifest import Step
from slurm.scheduler.signals import Stop
from stages.core.runner.work import Work


def main(run: str, name: str) -> None:
    step = Step(Path(run), name)
    cluster = step.submission(max(step.submissions())).cluster
    with Stop() as stop:
        work = Work(step, stop, cluster)
        start_s = time.perf_counter()
        items = work.items(0)
        read_s = time.perf_counter() - start_s
        for _ in work.run(items):
            print(json.dumps({"read_s": read_s, "choose_s": time.perf_counter() - start_s - read_s}))
        work.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
