"""The seam of a stage that writes texts: its outputs as they are, until too many of its texts raise an alarm.

A task sees the texts of its own chunk, and those of up to OTHERS chunks that are finished, spread over the step.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from slurm.errors import AlarmError
from slurm.record.paths import ROWS
from slurm.task.attempt import Output
from stages.core.runner.work import Rows
from stages.core.text.alarms.find import CODES, Alarm, find_alarms
from stages.core.text.alarms.settings import Alarms
from stages.core.text.alarms.tell import refuse_more, tell

OTHERS = 64
MORE = 1.5  # times as many texts as at the last look, until the next one


def watch(rows: Rows, outputs: Iterator[Output], config: Any) -> Iterator[Output]:
    """The outputs; counts the texts with each alarm, and warns of them, as `config.alarms` says.

    Raises AlarmError as soon as a share passes its max_share.
    """
    settings: Alarms = config.alarms
    texts = Texts(rows, settings)
    if texts.count >= settings.min_rows:  # before anything is asked
        texts.look()
    for output in outputs:
        yield output
        texts.add(output)
        if texts.count >= texts.next_look:
            texts.look()
    texts.tell(texts.look())


class Texts:
    """The texts that a task sees: those that are finished, and its own."""

    def __init__(self, rows: Rows, settings: Alarms) -> None:
        self.rows, self.settings = rows, settings
        self.schema = dict.fromkeys([rows.keys[0], *settings.columns, "error"], pl.String())
        self.tables = [rows.finished([*self.schema], OTHERS)]
        self.before = self.count = len(self.tables[0])
        self.next_look = settings.min_rows

    def add(self, output: Output) -> None:
        given = output.tables.get(ROWS, [])
        if isinstance(given, pl.LazyFrame):
            given = given.collect()
        if not isinstance(given, pl.DataFrame):
            given = pl.DataFrame([{name: row.get(name) for name in self.schema} for row in given], self.schema)
        lacking = [pl.lit(None, pl.String).alias(name) for name in self.schema if name not in given.columns]
        self.tables.append(given.with_columns(lacking).select([*self.schema]))
        self.count += len(given)

    def look(self) -> list[Alarm]:
        """The alarms that they raise. Raises AlarmError, having told of them, if one passes its max_share."""
        self.next_look = int(MORE * self.count) + 1
        self.tables = [pl.concat(self.tables)]
        alarms = find_alarms(self.tables[0].lazy(), self.rows.keys[0], self.settings)
        try:
            refuse_more(alarms, self.settings)
        except AlarmError:
            self.tell(alarms)
            raise
        return alarms

    def tell(self, alarms: list[Alarm]) -> None:
        own = self.tables[0][self.before :]
        coded = pl.col("error").is_in(CODES)
        texts = {column: (pl.col(column).is_not_null() | coded).sum() for column in self.settings.columns}
        counts = own.select(**texts)
        tell(alarms, counts.row(0, named=True) if len(own) else {}, self.rows)
