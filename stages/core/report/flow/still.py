"""Steps as they are when the report begins: their records are read once, though each part of it asks for them."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from slurm.record.done import Done
from slurm.record.finished import lacks
from slurm.record.manifest import Step
from slurm.record.paths import ROWS


class Still(Step):
    """A step of a run; those before it are always the same objects."""

    def __init__(self, run: Path, name: str, known: dict[str, Step]) -> None:
        super().__init__(run, name)
        self._others = known
        known[name] = self

    def other(self, name: str) -> Step:
        return self._others.get(name) or Still(self.run, name, self._others)

    @cached_property
    def _records(self) -> list[Done]:
        return super().all_done()

    @cached_property
    def _whole(self) -> list[Done]:
        return [done for done in self._records if not lacks(self.paths, done)]

    def all_done(self) -> list[Done]:
        return self._records

    def files(self, table: str = ROWS, only: list[int] | None = None) -> list[Path]:
        if only is not None:
            return super().files(table, only)
        return [self.paths.part(done.part, table) for done in self._whole if table == ROWS or table in done.tables]


def hold_still(steps: Iterable[Step]) -> list[Step]:
    """The same steps, in the same order."""
    known: dict[str, Step] = {}
    return [known.get(step.name) or Still(step.run, step.name, known) for step in steps]
