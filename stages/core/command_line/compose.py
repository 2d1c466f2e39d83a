"""The steps that a command line asks for, in the order in which they are planned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from omegaconf import DictConfig

from slurm.conf import Words, compose, load, vary
from slurm.errors import InputError
from slurm.owner import trust
from slurm.record.manifest import Step
from slurm.record.manifest import steps as steps_of
from stages.core.command_line.read import read_steps
from stages.core.command_line.words import Line
from stages.core.runner.pipeline import Wanted, inputs_of

Steps = dict[str, Wanted]


class Composed:
    """The configs of the points of a sweep. What these share is composed once: that takes 0.3 s, more than a point."""

    def __init__(self, folders: Words, swept: set[str]) -> None:
        """`swept` are the words that differ."""
        self.folders, self.swept = folders, swept
        self.known: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, words: Sequence[str]) -> DictConfig:
        first = next((n for n, word in enumerate(words) if word in self.swept and not self.chooses(word)), len(words))
        shared = (*words[:first], *(word for word in words[first:] if self.chooses(word)))
        if shared not in self.known:
            self.known[shared] = compose("run", shared)
        return vary(self.known[shared], [word for word in words[first:] if not self.chooses(word)])

    def chooses(self, word: str) -> bool:
        """Whether a word chooses among the files of a group, so that all is composed anew; or is one to Hydra."""
        key = word.lstrip("+~").partition("=")[0]
        place = None if "." in key else self.folders.finds(key)
        return "@" in key or "/" in key or key.startswith("hydra.") or (place is not None and place.is_dir())


def ask(
    line: Line, words: Sequence[str] | None = None, composed: Callable[[Sequence[str]], DictConfig] | None = None
) -> list[Wanted]:
    """The steps of a command line; of one of its points with the `words` of that. Raises InputError."""
    words = list(line.words if words is None else words)
    composed = composed or partial(compose, "run")
    steps = read_steps(composed(words))
    trust(user for wanted in steps.values() for user in wanted.common.cluster.trust)
    if line.step is None:
        return order(spell_all(steps))
    if not any(word.startswith(f"steps.{line.step}.after=") for word in words):
        steps[line.step] = keep_inputs(steps[line.step])
    if missing := find_missing(steps, line.folders):
        words += [f"+stage@steps.{name}={name}" for name in missing]
        steps = {**read_steps(composed(words)), line.step: steps[line.step]}
    return order(steps)


def keep_inputs(wanted: Wanted) -> Wanted:
    """The step behind those that it reads already, if the run has it."""
    step = Step(wanted.run, wanted.name)
    return behind(wanted, step.plan.inputs) if step.exists and wanted.common.after != "all" else wanted


def behind(wanted: Wanted, after: list[str], **more: Any) -> Wanted:
    """The step behind other ones."""
    return wanted._replace(common=replace(wanted.common, after=after, **more))


def find_missing(steps: Steps, folders: Words) -> list[str]:
    """The stages that must come along: what these steps read, and what that reads, as far as the run has it not."""
    missing: list[str] = []
    readers = [(name, wanted) for wanted in steps.values() for name in inputs_of(wanted)]
    run = next(iter(steps.values())).run
    queue = [(name, wanted.name) for name, wanted in readers]
    for name, reader in queue:
        if name in steps or name in missing or Step(run, name).exists:
            continue
        if (file := folders.finds(f"stage/{name}.yaml")) is None:
            there = sorted({*steps_of(run), *steps, *folders.listed("stage")} - {reader})
            raise InputError(
                f"steps.{reader}.after: no step or stage is called {name!r}; there are: {', '.join(there)}"
            )
        missing.append(name)
        after = load(file).get("after")
        queue += [(before, name) for before in names_of(after)]
    return missing


def names_of(after: str | list[str] | None) -> list[str]:
    """The steps that `after` names; none for `all`, which takes what is there."""
    return [after] if isinstance(after, str) and after != "all" else list(after or []) if after != "all" else []


def spell_all(steps: Steps) -> Steps:
    """The steps of a recipe with `after: all` spelt out: every other step, but for those that read this one.

    Of several such steps each reads the ones that are listed before it.
    """
    last = [name for name, wanted in steps.items() if wanted.common.after == "all"]
    found = dict(steps)
    for number, name in enumerate(last):
        later = {*last[number + 1 :], *readers_of(steps, name), name}
        found[name] = behind(steps[name], [other for other in steps if other not in later])
    return found


def readers_of(steps: Steps, name: str) -> set[str]:
    """The steps that read a step, or one that reads it."""
    found: set[str] = set()
    while more := {n for n, w in steps.items() if {name, *found} & {*names_of(w.common.after)}} - found:
        found |= more
    return found


def order(steps: Mapping[str, Wanted]) -> list[Wanted]:
    """Every step behind those that it reads, else as listed. Raises an InputError that names the steps of a circle."""
    ordered: list[Wanted] = []
    rest = dict(steps)
    while rest:
        ready = [name for name, wanted in rest.items() if not {*names_of(wanted.common.after)} & {*rest}]
        if not ready:
            circle = find_circle(rest)
            raise InputError(
                f"the steps {' → '.join(circle)} read each other in a circle: say steps.{circle[0]}.after= another step"
            )
        ordered.append(rest.pop(ready[0]))
    return ordered


def find_circle(steps: Steps) -> list[str]:
    """The names of steps each of which reads the next one, and the last one is the first."""
    path = [next(iter(steps))]
    while path.count(path[-1]) == 1:
        path.append(next(name for name in names_of(steps[path[-1]].common.after) if name in steps))
    return path[path.index(path[-1]) :]
