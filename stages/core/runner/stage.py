"""What a stage is (`Stage`)."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl

from stages.core.models.needed import Needed
from stages.core.schema.types import Schema


@dataclass(frozen=True)
class Stage:
    """What is done to rows.

    map     `run(rows, config)` yields Outputs: every item (a row of its input) once, with its rows in each table
    reduce  `run(steps, config, folder)` gives its tables from those of whole steps; one that `continues` is also given
            what it gave before (`Former`), and steps that show only what is new. One that `judges` has
            `run(rows, config)` as a map stage has, with all items at once, and gives one row for each
    """

    name: str
    kind: Literal["map", "reduce"]
    config: type
    run: Callable[..., Any]
    gives: Schema | Callable[[Any], Schema]  # columns that it adds to its keys, perhaps by its config
    # columns of its input, or which ones a config asks for, perhaps each with the key that asks. Of a step with several
    # rows an item they come as lists; so does `table.column`, the column of a side table
    needs: Sequence[str] | Callable[[Any], Sequence[str] | Mapping[str, str]] = ()
    # raises InputError for a config that does not suit the types of the columns that it needs (column → str(type))
    fits: Callable[[Any, Mapping[str, str]], None] = lambda config, types: None
    # columns that it is given as well where a step before it gives them, one value an item
    takes: Sequence[str] | Callable[[Any], Sequence[str]] = ()
    # likewise of a step with several rows an item, as lists
    takes_lists: Callable[[Any], Sequence[str]] = lambda config: ()
    reads: Sequence[str] | Callable[[Any], Sequence[str]] = ()  # side tables of steps before it
    missing: Mapping[str, str] = field(default_factory=dict)  # what to do where no step gives a column or side table
    key: str | None = None  # the column that names a row it gives; None: the one that names its items
    tables: Mapping[str, Schema] = field(default_factory=dict)  # side tables
    check: Callable[[Any], None] = lambda config: None  # raises InputError for what can be told before submission
    # files whose content decides the result, as a config names them
    files: Callable[[Any], Sequence[str]] = lambda config: ()
    models: Callable[[Any], Sequence[Needed]] = lambda config: ()  # that its tasks load, as a config names them
    runtime_keys: Sequence[str] = ()  # config keys left out of the fingerprint: they cannot change the output
    # whether a config asks model servers; it has `pool` and `engine` then, of which only the model decides a result
    pool: Callable[[Any], bool] = lambda config: False
    continues: bool = False  # of a reduce stage: an extension of the run adds to its output
    judges: bool = False  # of a reduce stage: its items are the kept rows of the step before it, which it gives back
    without_unfinished: bool = False  # of a reduce stage: it is made of finished steps where others cannot be finished
    # of a source: the keys of all rows that it has now for a run, by its config and the run's folder
    ids: Callable[[Any, Path], pl.Series] | None = None
    # of a map stage: looks at its outputs, and gives them; it is called where no item is left to be done, too
    watch: Callable[..., Any] | None = None
    media: str | None = None  # the column with the file that a row has in the step's media folder
    # whether its workers hold models: one on each GPU, without one a single one on all cores; or with which configs
    holds_model: bool | Callable[[Any], bool] = False
    shows: str | None = None  # a file or folder in the step's folder that a person wants to open; a .txt is printed
    version: int = 1  # raised when the same config gives another result

    def columns(self, config: Any) -> Schema:
        """The columns that it adds to its keys, with this config."""
        return self.gives(config) if callable(self.gives) else self.gives


class Former(NamedTuple):
    """What a reduce stage that continues gave before."""

    extension: int  # number of the extension that it works on; 0: the first time
    tables: Mapping[str, pl.LazyFrame]  # "rows" and side tables; nothing the first time
    items: pl.DataFrame | None = None  # of a stage that judges: the items of these rows, as its new ones are
    note: Callable[..., None] = lambda **values: None  # as `Rows.note`
    warn: Callable[[str, str], None] = lambda name, words: None  # as `Rows.warn`


def load(name: str) -> Stage:
    """The stage of this name, or of a module anywhere on PYTHONPATH; its heavy rooms are not imported.

    Raises ImportError without such a module, AttributeError if it has no STAGE.
    """
    stage: Stage = importlib.import_module(name if "." in name else f"stages.{name}").STAGE
    return stage
