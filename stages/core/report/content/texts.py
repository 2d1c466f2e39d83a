"""The texts of a step that alarm: equal and nearly equal ones, openings, refusals, loops; over all its rows."""

from dataclasses import replace
from typing import NamedTuple

from pydantic import TypeAdapter

from slurm.record.manifest import Step
from stages.core.text.alarms.find import Alarm, find_alarms
from stages.core.text.alarms.settings import Alarms


class Texts(NamedTuple):
    """`columns`: column → its alarms, one of each kind; those without a text are left out."""

    step: Step
    columns: dict[str, list[Alarm]]


def read_texts(step: Step) -> Texts | None:
    """What alarms in the texts of a step, by the settings of its config; None if it has none."""
    settings = step.plan.config.get("alarms")
    if settings is None:
        return None
    alarms = TypeAdapter(Alarms).validate_python(settings)
    found = [alarm for column in alarms.columns for alarm in read_column(step, column, alarms)]
    columns = {alarm.column: [other for other in found if other.column == alarm.column] for alarm in found if alarm.of}
    return Texts(step, columns) if columns else None


def read_column(step: Step, column: str, settings: Alarms) -> list[Alarm]:
    """The alarms of a column of the step's rows, or of a side table that names its rows itself."""
    own = column in step.plan.gives
    table = None if own else next((name for name, given in step.plan.tables.items() if column in given), None)
    rows = step.scan() if own else step.scan(table) if table else None
    if rows is None:
        return []
    names = rows.collect_schema().names()
    key = step.plan.key if own else next(name for name in names if name.endswith("_id") and name != step.plan.key)
    columns = [key, column, *({"error"} & {*names})]
    return find_alarms(rows.select(columns), key, replace(settings, columns=[column]))
