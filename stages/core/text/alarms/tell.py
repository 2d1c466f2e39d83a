"""What a person is told of alarms: their shares, an example with rows that have it, and what to do."""

from collections.abc import Mapping, Sequence

from slurm.errors import AlarmError
from stages.core.runner.stage import Former
from stages.core.runner.work import Rows
from stages.core.text.alarms.find import Alarm
from stages.core.text.alarms.settings import KINDS, Alarms

SHOWN_CHARACTERS = 100


def describe(alarm: Alarm) -> str:
    """One line: the share, what it is, and the example with the most rows.

    What differs from chunk to chunk is a number or stands in quotes, so that failures for one cause are told as alike.
    """
    line = f"{alarm.share:.2%} of {alarm.of:,} texts in {alarm.column} {KINDS[alarm.kind]}"
    return f"{line}, such as {show_example(alarm)}" if alarm.examples else line


def show_example(alarm: Alarm) -> str:
    """The text that stands on most rows, and the first of these."""
    first = alarm.examples[0]
    plain = " ".join(first.text.replace('"', "'").split())
    text = plain if len(plain) <= SHOWN_CHARACTERS else f"{plain[:SHOWN_CHARACTERS]}…"
    rows = ", ".join(f'"{name}"' for name in first.ids)
    return f'"{text}" {f"on {first.rows:,} rows: " if first.rows > 1 else "of "}{rows}'


def tell(alarms: Sequence[Alarm], counted: Mapping[str, int], rows: Rows | Former) -> None:
    """Counts the texts of each column (column → number), and those with each alarm; shows an example of each."""
    for column, number in counted.items():
        own, texts = [alarm for alarm in alarms if alarm.column == column], f"texts in {column}"
        rows.note(**{texts: number, **{f"{KINDS[alarm.kind]} of {texts}": alarm.share * number for alarm in own}})
        for alarm in own:
            if alarm.rows and alarm.examples:
                line = f"texts in {column} that {KINDS[alarm.kind]}, such as {show_example(alarm)}"
                rows.warn(f"{alarm.kind} of {column}", line)


def refuse_more(alarms: Sequence[Alarm], settings: Alarms) -> None:
    """Raises AlarmError for the first alarm whose share passes its max_share."""
    for alarm in alarms:
        limit = getattr(settings.max_share, alarm.kind)
        if limit is not None and alarm.of >= settings.min_rows and alarm.share > limit:
            key = f"alarms.max_share.{alarm.kind}"
            raise AlarmError(
                f"{describe(alarm)}. More than {key}={limit:g}: look at these rows, and mend the model or its prompt; "
                f"or give the step's command again with a larger {key}, then resume force=true"
            )
