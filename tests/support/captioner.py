"""A stage for tests that writes texts: of each video its title, as a model's answer; "(refused)" is a refusal.

python -m support.captioner run=NAME --config-dir tests/support/conf asked=FILE, with PYTHONPATH=tests
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.errors import ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import TEXT
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.watch import watch


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    asked: str  # a file with a line for each video that was asked for
    alarms: Alarms


def run(rows: Rows, config: Config) -> Iterator[Output]:
    for row in rows.table.to_dicts():
        with Path(config.asked).open("a") as file:
            file.write(f"{row['video_id']}\n")
        if row["title"] == "(refused)":
            yield rows.failed(row, ItemError("refused", "it would not"))
        else:
            yield Output([row["video_id"]], {"rows": [{"video_id": row["video_id"], "caption": row["title"]}]})


STAGE = Stage(
    name="support.captioner",
    kind="map",
    config=Config,
    run=run,
    gives={"caption": TEXT},
    needs=("title",),
    watch=watch,
)

if __name__ == "__main__":
    main(STAGE)
