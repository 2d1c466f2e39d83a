"""A command line as one composition of Hydra: what it names first, whose words these are, what is remembered.

stages.filter rules=speech dry_run=true  → +stage@steps.filter=filter rules@steps.filter.rules=speech dry_run=true
stages clips steps.filter.rules=speech   → pipeline=clips rules@steps.filter.rules=speech
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from hydra._internal.utils import get_args_parser

from slurm.conf import FREE_KEYS, Words, load, quoted, unquoted, with_folders
from slurm.credentials import conceal_words
from slurm.errors import InputError, check_name
from slurm.owner import trust_as_said
from stages.core.command_line.remembered import kept, recall

RECIPE = "clips"  # where none is named
WORD = re.compile(r"(?P<prefix>[+~]*)(?P<key>[^=@]*)(?P<package>@[^=]*)?(?P<value>=.*)?", re.DOTALL)
CHOICE = re.compile(r"steps\.([^.=@]+)\.([^.=@]+)=([^{\[$].*)")  # steps.filter.rules=speech
RUN_KEYS = {  # of the run, whatever the command
    *("run", "runs", "dry_run", "overwrite", "extend", "input", "source", "opt_out", "budget", "price"),
    *("steps", "pipeline", "stage", "local", "hydra"),
}
STEP_KEYS = ("chunks", "items", "retry", "cluster")  # of the run, and of each step that has its own value
FOREIGN = ("config_name", "config_path", "experimental_rerun", "shell_completion")  # flags
STEP_NAME = re.compile(r"[A-Za-z_][\w-]*")


class Line(NamedTuple):
    """A command line, read."""

    words: list[str]  # as Hydra takes them
    folders: Words  # where configs are looked for
    flags: list[str]  # those by which Hydra only shows something: --help, --cfg job
    sweep: bool
    step: str | None  # of a stage's own command; None: a recipe
    title: str  # the step or the recipe
    remembered: list[str]  # words that an earlier command gave
    given: list[str]  # words of this one that the next ones take


def read_line(argv: Sequence[str], module: str | None = None) -> Line:
    """Reads the words of `python -m <module>`, or of `python -m stages` if None. Raises InputError."""
    conceal_words(argv)
    folders = with_folders(argv)
    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]  # its own prints ten lines and ends the process
    args = parser.parse_intermixed_args(folders.words)
    if foreign := [flag for flag in FOREIGN if getattr(args, flag)]:
        refuse(f"--{foreign[0].replace('_', '-')} is a flag of Hydra that means nothing here")
    words = [str(word) for word in args.overrides]
    shows = args.help or args.hydra_help or args.cfg or args.info
    flags = [word for word in folders.words if word not in words] if shows else []
    if module is None:
        module, words = named_first(words, folders)
    run, runs = last(words, "run"), last(words, "runs") or "runs"
    given = kept(words, of_stage=module is not None) if not shows else []
    trust_as_said(words, Path(runs, run or ""))
    remembered = recall(Path(runs, run), words) if run and not args.help else []
    if module is None:
        step, title = None, last(words, "pipeline") or RECIPE
        words = words if last(words, "pipeline") else [f"pipeline={RECIPE}", *words]
    else:
        step, words = words_of_step(module, words, folders, Path(runs, run or ""))
        title = step
    if unread := [word for word in words if "=" not in word and not word.startswith("~")]:
        raise InputError(f"{unread[0].removeprefix(f'steps.{step}.')!r} is no key=value")
    words = [chosen(listed(word, args.multirun), folders) for word in words]
    return Line([*remembered, *words], folders, flags, args.multirun, step, title, remembered, given)


def refuse(message: str) -> NoReturn:
    """Raises an InputError about a flag."""
    raise InputError(f"{message}; --help shows what there is")


def named_first(words: list[str], folders: Words) -> tuple[str | None, list[str]]:
    """The module of the stage that the first word names, or None and the recipe as a word; a stage comes first."""
    name = next((word for word in words if not word.startswith("hydra.searchpath=")), "=")
    if "=" in name or name.startswith("~"):
        return None, words
    others = [word for word in words if word != name]
    if "." in name or folders.finds(f"stage/{name}.yaml"):
        return name if "." in name else f"stages.{name}", others
    if folders.finds(f"pipeline/{name}.yaml"):
        return None, [f"pipeline={name}", *others]
    stages, recipes = (", ".join(folders.listed(group)) for group in ("stage", "pipeline"))
    raise InputError(f"{name!r} is no stage ({stages}), no recipe ({recipes}) and no key=value")


def last(words: Sequence[str], key: str) -> str | None:
    """The value that counts of a key, without quotes."""
    values = [value for name, given, value in (word.partition("=") for word in words) if given and name == key]
    return unquoted(values[-1]) if values else None


def words_of_step(module: str, words: Sequence[str], folders: Words, run: Path) -> tuple[str, list[str]]:
    """The step that a stage's own command is about, and the words with its own keys below `steps.<step>.`."""
    stage = module.rpartition(".")[2]
    step = last(words, "step")
    step = stage if step is None else step
    check_name("step", step, run)
    if not STEP_NAME.fullmatch(step):
        raise InputError(f"step={step!r}: a step is named by letters, digits, _ and -, beginning with a letter")
    if (file := folders.finds(f"stage/{stage}.yaml")) is None:
        places = ", ".join(str(folder) for folder in folders.folders)
        raise InputError(f"{module}: no stage/{stage}.yaml in {places}: say where it is, --config-dir DIR")
    if not module.startswith("stages.") and load(file).get("stage") != module:
        raise InputError(f"{module}: {file} is not its config, which says stage: {module}; two stages need two names")
    own = [word for given in words for word in below_step(given, step, folders)]
    return step, [f"+stage@steps.{step}={stage}", *own]


def below_step(word: str, step: str, folders: Words) -> list[str]:
    """What a word of a stage's own command says of the run and of its step."""
    match = WORD.fullmatch(word)
    assert match
    prefix, key, package, value = (part or "" for part in match.groups())
    top, below = re.split(r"[./]", key, maxsplit=1)[0], "." in key
    if top == "step":
        return []
    if top in RUN_KEYS or package:
        return [word]
    if top in STEP_KEYS:  # of the run, so that steps that come along have it too; and its own value gives way to it
        takes = below and value and not FREE_KEYS.match(word)
        return [word, *([f"steps.{step}.{key}=${{{key}}}"] if takes else [])]
    if not below and (place := folders.finds(key)) and place.is_dir():
        return [f"{prefix}{key}@steps.{step}.{key.replace('/', '.')}{value}"]
    return [FREE_KEYS.sub(r"++\1", f"{prefix}steps.{step}.{key}{value}")]


def chosen(word: str, folders: Words) -> str:
    """`steps.filter.rules=speech` as a choice among conf/rules/: `rules@steps.filter.rules=speech`."""
    match = CHOICE.fullmatch(word)
    if match is None or match[2] == "stage" or (place := folders.finds(match[2])) is None or not place.is_dir():
        return word
    step, group, name = match.groups()
    return f"{'+' if group in STEP_KEYS else ''}{group}@steps.{step}.{group}={name}"


def listed(word: str, sweep: bool) -> str:
    """`overwrite=split,filter` as a list, and the name of a sweep's point as one value: Hydra would read both else."""
    key, given, value = word.partition("=")
    name = key.rpartition(".")[2] if key.startswith("steps.") else key
    if not given or name not in ("overwrite", "after") or value[:1] in ("", "[", "'", '"'):
        return word
    if "@" in value:
        return f"{key}={quoted(value)}"
    return f"{key}=[{value}]" if "," in value and not sweep and name == "overwrite" else word
