"""The points of a sweep: the values of its words in every combination, and the steps that each point has of its own.

A step that a swept word changes, and every step behind it, is named by these words; all others are shared:

    -m steps.split.min_s=2,4 steps.filter.rules.motion.min=0.1
    → ingest, analyze, split@min_s=2, filter@split.min_s=2, …, split@min_s=4, …
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException

from slurm.conf import CONF, explain
from slurm.credentials import masked
from slurm.errors import InputError
from stages.core.command_line.compose import Composed, ask, names_of
from stages.core.command_line.words import STEP_KEYS, Line
from stages.core.runner.pipeline import Wanted

LONGEST_NAME = 200  # of a directory, in bytes; file systems end at 255
OF_STEP = re.compile(r"[+~]*(?:steps\.([^.=@]+)\.([^=@]+)|([^=@]+)@steps\.([^.=]+)[^=]*)=(.*)", re.DOTALL)


class Word(NamedTuple):
    """A word of one point."""

    said: str  # as Hydra takes it
    name: str  # key=value, as Hydra writes it
    swept: bool

    @property
    def step(self) -> str | None:
        """The step whose key it sets; None: it is the run's."""
        match = OF_STEP.fullmatch(self.name)
        return (match[1] or match[4]) if match else None

    @property
    def text(self) -> str:
        """What it sets: rules.motion.min=0.1."""
        match = OF_STEP.fullmatch(self.name)
        return str(masked(f"{match[2] or match[3]}={match[5]}" if match else self.name.lstrip("+~")))

    @property
    def top(self) -> str:
        return re.split(r"[.=]", self.text, maxsplit=1)[0]


class Point(NamedTuple):
    label: str  # the words that tell it from the others
    order: list[Wanted]  # its steps
    own: dict[str, str]  # those that it does not share: step → what it is called here
    swept: dict[str, str]  # key → its value at this point


def points_of(line: Line) -> list[Point]:
    """The points of a command line, every one checked; a command that sweeps nothing is one point."""
    if not line.sweep:
        return [Point("", [narrow(wanted, wanted.name) for wanted in ask(line)], {}, {})]
    points = combine(line.words)
    composed = Composed(line.folders, {word.said for words in points for word in words if word.swept})
    orders = [ask(line, [word.said for word in words], composed) for words in points]
    changes = [changed(points, orders, number) for number in range(len(points[0]))]
    return [name_steps(line, words, order, changes) for words, order in zip(points, orders, strict=True)]


def merge(points: Sequence[Point]) -> list[Wanted]:
    """The steps of all points, each once, behind those that it reads: points of a step stand together."""
    if len(points) == 1:
        return points[0].order
    every: dict[tuple[Path, str], Wanted] = {}
    for wanted in (wanted for point in points for wanted in point.order):
        every.setdefault((wanted.run, wanted.name), wanted)
    depths: dict[tuple[Path, str], int] = {}
    for (run, name), wanted in every.items():  # within a point each stands behind what it reads
        before = [depths[run, other] for other in names_of(wanted.common.after) if (run, other) in every]
        depths[run, name] = 1 + max(before, default=0)
    kinds = list(dict.fromkeys(name.partition("@")[0] for _, name in every))
    return sorted(every.values(), key=lambda w: (depths[w.run, w.name], kinds.index(w.name.partition("@")[0])))


def combine(words: Sequence[str]) -> list[list[Word]]:
    """The words of each point, in the order in which Hydra sweeps: the last one changes first."""
    values: dict[str, list[Word]] = {}
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
            for said, word in zip(words, parser.parse_overrides(list(words)), strict=True):
                key = word.get_key_element()
                if not word.is_sweep_override():
                    values[key] = [Word(said, f"{key}={word.get_value_element_as_str()}", False)]
                elif word.is_discrete_sweep():
                    named = [f"{key}={value}" for value in values_of(word)]
                    values[key] = [Word(name, name, True) for name in named]
                else:
                    raise InputError(f"{said}: an interval has no single values; say them, or range(…)")
    except HydraException as error:
        raise InputError(explain(error)) from error
    return [list(point) for point in product(*values.values())]


def values_of(word: Override) -> list[str]:
    """The values of a swept word as a person would write them.

    Hydra adds up those of range(0.1,0.4,0.1): 0.1, 0.2, 0.30000000000000004, and 0.4 too, as 0.39999999999999997 or so.
    """
    found, swept = list(word.sweep_string_iterator()), word.value()
    if not isinstance(swept, RangeSweep) or all("." not in value for value in found):
        return found
    rounded = [float(f"{float(value):.12g}") for value in found]
    return [repr(value) for value in rounded if value != swept.stop]


def unswept(line: Line) -> list[str]:
    """What of the line's words the run may remember: those that have one value."""
    return [word.said for word in combine(line.given)[0] if not word.swept] if line.sweep else line.given


def changed(points: Sequence[Sequence[Word]], orders: Sequence[list[Wanted]], number: int) -> set[str]:
    """The steps whose config differs between two points that differ in this word alone, and the step that it names."""
    word = points[0][number]
    if not word.swept:
        return set()
    found = {word.step} if word.step and word.top not in STEP_KEYS else set()
    alike: dict[tuple[Word, ...], dict[str, Wanted]] = {}
    for words, order in zip(points, orders, strict=True):
        others = (*words[:number], *words[number + 1 :])
        first = alike.setdefault(others, {wanted.name: wanted for wanted in order})
        found |= {w.name for w in order if (same := first.get(w.name)) and decisive(same) != decisive(w)}
    return found


def decisive(wanted: Wanted) -> tuple[object, ...]:
    """What of a step decides its rows."""
    return wanted.stage.name, wanted.config, names_of(wanted.common.after)


def name_steps(line: Line, words: Sequence[Word], order: Sequence[Wanted], changes: Sequence[set[str]]) -> Point:
    """A point's steps: those that its words change, and those behind them, under names that say these words."""
    own: dict[str, list[Word]] = defaultdict(list)
    for word, steps in zip(words, changes, strict=True):
        alone = word.step == line.step is not None and word.top not in (*STEP_KEYS, "after", "stage")
        for step in {*steps, *([line.step] if alone and line.step else [])}:
            own[step].append(word)
    carried: dict[str, list[Word]] = {}
    names: dict[str, str] = {}
    for wanted in order:
        before = [word for name in names_of(wanted.common.after) for word in carried.get(name, [])]
        mine = sorted(own[wanted.name], key=lambda word: word.text)
        carried[wanted.name] = list(dict.fromkeys([*(word for word in before if word not in mine), *mine]))
        if carried[wanted.name]:
            names[wanted.name] = point_name(wanted.name, [said(w, wanted.name) for w in carried[wanted.name]])
    every = dict.fromkeys(word for found in carried.values() for word in found)
    label = ",".join(said(word, line.step) for word in every)
    swept = dict(said(word, line.step).split("=", 1) for word in words if word.swept)
    return Point(label, [rename(wanted, names) for wanted in order], names, swept)


def said(word: Word, step: str | None) -> str:
    """What a word sets, seen from a step."""
    return word.text if word.step in (None, step) else f"{word.step}.{word.text}"


def point_name(step: str, words: Sequence[str]) -> str:
    """A step by the words that decide its result: `filter@rules.motion.min=0.1`."""
    name = f"{step}@{','.join(words).replace('/', '_').replace('%', '％')}"  # sbatch replaces % in a log's path
    if len(name.encode()) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 2]}…{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def rename(wanted: Wanted, names: dict[str, str]) -> Wanted:
    """The step under its name at a point, behind those of the point."""
    after = wanted.common.after
    if after is not None and after != "all":
        after = [names.get(name, name) for name in names_of(after)]
    step = names.get(wanted.name, wanted.name)
    return narrow(wanted._replace(common=replace(wanted.common, step=step, after=after)), wanted.name)


def narrow(wanted: Wanted, step: str) -> Wanted:
    """The step with `overwrite` as far as it names this one, or the one that it is a variant of."""
    names = wanted.common.overwrite
    if isinstance(names, bool):
        return wanted
    return wanted._replace(
        common=replace(wanted.common, overwrite=[wanted.name] if {wanted.name, step} & {*names} else False)
    )
