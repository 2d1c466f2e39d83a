"""Verdicts: every row, with the rule that drops it, or none. Scores are read, never computed, so a sweep costs seconds.

Reads the columns that the rules name; writes `drop_reason` for every row, the key of the first rule that drops it:
`motion.min` is the minimum of rule motion, `motion.null` says that it had no value. The table `values` has the value
that each rule saw of each row, and what it `failed`: all that would have dropped it.

    python -m stages.filter -m run=NAME 'rules.motion.min=0.1,0.5,1.0'
    python -m stages.filter run=NAME rules=speech step=speech after=download
"""

from collections.abc import Iterator, Mapping

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.task.attempt import Output
from stages.core.choose.fit import check_fit
from stages.core.choose.rule import Rule, leaves
from stages.core.choose.verdicts import VALUES, judge
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.types import TEXT


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    rules: dict[str, Rule]  # a row has to pass all of them


def columns(config: Config) -> dict[str, str]:
    """The columns that the rules look at, each with the key that names it."""
    found: dict[str, str] = {}
    for key, name, rule in leaves(config.rules):
        found.setdefault(rule.column or name, f"rules.{key}{'.column' if rule.column else ''}")
        if rule.per:
            found.setdefault(rule.per, f"rules.{key}.per")
    return found


def fits(config: Config, types: Mapping[str, str]) -> None:
    check_fit(config.rules, types)


def run(rows: Rows, config: Config) -> Iterator[Output]:
    verdicts, keys = judge(rows.table, config.rules), rows.table.select(rows.keys)
    yield from rows.whole({"rows": keys.with_columns(drop_reason=verdicts.reasons()), "values": verdicts.values(keys)})


STAGE = Stage(
    name="filter",
    kind="map",
    config=Config,
    run=run,
    gives={"drop_reason": TEXT},
    needs=columns,
    fits=fits,
    tables={"values": {"rule": TEXT, **VALUES}},
    version=2,
)

if __name__ == "__main__":
    main(STAGE)
