"""Attempts at the one chunk of a step made by hand: what they add, flush and commit."""

import polars as pl
from support.steps import cluster

from slurm.record.done import Done
from slurm.record.manifest import Step
from slurm.task.attempt import Attempt, Output
from slurm.task.commit import commit as finish

TEXT = pl.String()
SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "rows": {"video_id": TEXT, "value": TEXT, "error": TEXT, "error_detail": TEXT},
    "letters": {"video_id": TEXT, "letter": TEXT, "place": pl.Int64()},
}


def attempt(step: Step, name: str) -> Attempt:
    made = Attempt(step, 0, name, SCHEMAS)
    made.event("start", job="7_0", restart=0, host="far", pid=1, node="far", log="", fingerprint=step.plan.fingerprint)
    return made


def good(key: str, value: str = "v", letters: str = "ab") -> Output:
    return Output(
        [key],
        {
            "rows": [{"video_id": key, "value": value}],
            "letters": [{"video_id": key, "letter": letter} for letter in letters],
        },
    )


def failed(key: str, code: str = "corrupt") -> Output:
    return Output([key], {"rows": [{"video_id": key, "error": code, "error_detail": "torn"}]}, failed=1)


def add(to: Attempt, *outputs: Output) -> None:
    """Adds them and flushes once."""
    for output in outputs:
        to.add(output, flush_s=60)
    to.flush()


def commit(of: Attempt, keys: str) -> Done:
    return finish(of, pl.Series(list(keys)), cluster())


def table(step: Step, name: str = "rows") -> pl.DataFrame:
    found = step.scan(name)
    assert found is not None
    return found.collect()
