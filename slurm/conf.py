"""Hydra for every command: the folders with configs, one config composed, and what is wrong with it as one sentence.

Configs are looked for in conf/ first, then in the folders of `--config-dir DIR` (or -cd) and `hydra.searchpath=[DIR]`.
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from slurm.errors import InputError
from slurm.scheduler.cluster import cpu_count

CONF = Path(__file__).parents[1] / "conf"
ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)  # what Hydra raises where a word or a file is wrong
# keys below which any key may stand; what reads them checks
FREE_KEYS = re.compile(r"^\+*((steps\.[^.=]+\.)?(cluster\.(extra|env)|engine\.(options|env))\b)")


class Words(NamedTuple):
    """The words of a command line as Hydra's compose takes them, and the folders in which configs are looked for."""

    words: list[str]
    folders: list[Path]

    def finds(self, name: str) -> Path | None:
        """The first file or folder of this name in the folders."""
        return next((folder / name for folder in self.folders if (folder / name).exists()), None)

    def groups(self) -> list[str]:
        """The names of the folders of configs to choose among."""
        return sorted({path.name for folder in self.folders for path in folder.iterdir() if path.is_dir()})

    def listed(self, group: str) -> list[str]:
        """The names of the configs of a group."""
        return sorted({path.stem for folder in self.folders for path in (folder / group).glob("*.yaml")})


def with_folders(words: Sequence[str]) -> Words:
    """The words with every folder of configs in one `hydra.searchpath=[…]`; an InputError names one that is missing."""
    others, places, rest = [], [], iter(words)
    for word in rest:
        key, given, value = word.partition("=")
        if key in ("--config-dir", "-cd"):
            places.append(value if given else next(rest, ""))
        elif key == "hydra.searchpath":
            listed = yaml.safe_load(value)
            places += [str(place) for place in (listed if isinstance(listed, list) else [listed])]
        else:
            others.append(FREE_KEYS.sub(r"++\1", word))
    folders = [Path(place.removeprefix("file://")).absolute() for place in places if not place.startswith("pkg://")]
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise InputError(f"--config-dir={missing[0]}: no such folder")
    paths = [*(place for place in places if place.startswith("pkg://")), *(f"file://{folder}" for folder in folders)]
    search = [f"hydra.searchpath=[{','.join(map(quoted, paths))}]"] if paths else []
    return Words([*search, *others], [CONF, *folders])


def quoted(value: str) -> str:
    """The value as Hydra takes it whatever it holds."""
    return '"' + value.replace('"', '\\"') + '"'


def register() -> None:
    """Makes known what our configs compute: `${cpu_count:}`."""
    OmegaConf.register_new_resolver("cpu_count", cpu_count, replace=True)


def compose(config: str, words: Sequence[str]) -> DictConfig:
    """conf/<config>.yaml with these words; an InputError says what is wrong with them."""
    register()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra_compose(config, list(words))
    except ERRORS as error:
        raise InputError(explain(error)) from error


def explain(error: BaseException) -> str:
    """One sentence: which key is unknown and which are valid, or what Hydra says."""
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        valid = [str(key) for key in cause.parent_node if key != "hydra"]
        near = difflib.get_close_matches(str(cause.key), valid, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key {cause.full_key}{meant}; valid there: {', '.join(valid)}"
    text = " ".join(re.split("(?:Config )?[Ss]earch path:", str(error))[0].split())
    detail = " ".join(str(cause).split()) if isinstance(error, HydraException) and cause else ""
    return f"{text}: {detail}" if detail and detail not in text else text
