"""Hydra for every command: the folders with configs, one config composed, and what is wrong with it as one sentence.

Configs are looked for in conf/ first, then in the folders of `--config-dir DIR` (or -cd) and `hydra.searchpath=[DIR]`.
"""

import copy
import difflib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from pydantic import ValidationError

from slurm.credentials import masked_at
from slurm.errors import InputError
from slurm.scheduler.cluster import cpu_count

CONF = Path(__file__).parents[1] / "conf"
ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)  # what Hydra raises where a word or a file is wrong
# keys below which any key may stand; what reads them checks
FREE_KEYS = re.compile(r"^\+*((steps\.[^.=]+\.)?(cluster\.(extra|env)\b|engine\.(options|env)\b|rules\.|facts\b))")
# values that can be nothing but text
TEXT_KEYS = re.compile(
    r"(^|\.)(runs?|(input|opt_out)\.path|store\.root|access\.(proxies|cookies)|pool\.(cache|key_file)|container\.image)$"
)


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
    others, places, rest, sweep = [], [], iter(words), bool({"-m", "--multirun"} & {*words})
    for word in rest:
        key, given, value = word.partition("=")
        if key in ("--config-dir", "-cd"):
            places.append(value if given else next(rest, ""))
            if not places[-1]:
                raise InputError(f"{key}: say which folder, {key} FOLDER")
        elif key == "hydra.searchpath":
            try:
                listed = yaml.safe_load(value)
            except yaml.YAMLError:
                raise InputError(f"{word}: no list of folders; say hydra.searchpath=[FOLDER,FOLDER]") from None
            places += [str(place) for place in (listed if isinstance(listed, list) else [listed])]
        else:
            others.append(FREE_KEYS.sub(r"++\1", as_typed(word, sweep)))
    local = [place.removeprefix("file://") for place in places if not place.startswith("pkg://")]
    folders = [Path(os.path.expanduser(place)).absolute() for place in local]  # noqa: PTH111 — nobody's ~ stays
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise InputError(f"--config-dir={missing[0]}: no such folder")
    paths = [*(place for place in places if place.startswith("pkg://")), *(f"file://{folder}" for folder in folders)]
    search = [f"hydra.searchpath=[{','.join(map(quoted, paths))}]"] if paths else []
    return Words([*search, *others], [CONF, *folders])


def as_typed(word: str, sweep: bool) -> str:
    """A word with a value as a person typed it, spelt so that Hydra takes it for that: ~ is the home directory.

    Quoted is a path, whatever it holds, and what Hydra's grammar cannot read; in a sweep each value for itself.
    """
    key, equals, value = word.partition("=")
    if not equals or word[0] == "-" or value.lower() == "null":
        return word
    parts = value.split(",") if sweep else [value]
    parts = [os.path.expanduser(part) if part.startswith("~") else part for part in parts]  # noqa: PTH111 — as above
    value, readable = ",".join(parts), reads("key", ",".join(parts)) is not None
    literal = not sweep and (TEXT_KEYS.search(key) or ("/" in value and value[0] not in "[{"))
    if not readable or (literal and value[:1] not in ("'", '"')):
        value = ",".join(part if reads("key", part) == part else quoted(part) for part in parts)
    if not key or reads(key, value) is None:
        raise InputError(f"{word!r} cannot be read as key=value")
    return f"{key}={value}"


def reads(key: str, value: str) -> object:
    """What Hydra takes a value for; None if it cannot read it."""
    try:
        return OverridesParser.create().parse_override(f"{key}={value}").value()
    except HydraException:
        return None


def quoted(value: str) -> str:
    """The value as Hydra takes it whatever it holds; a backslash counts only before a quote."""
    return '"' + re.sub(r'(\\*)("|\Z)', lambda end: 2 * end[1] + ('\\"' if end[2] else ""), value) + '"'


def unquoted(value: str) -> str:
    """The text of a value that may be quoted."""
    if value[:1] not in ("'", '"') or value[:1] != value[-1:]:
        return value
    return re.sub(rf"(\\+)({value[0]}|\Z)", lambda end: end[1][: len(end[1]) // 2] + end[2], value[1:-1])


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
    except (ValueError, TypeError, AttributeError) as error:  # what Hydra makes of a file that is no config
        wrong = next(wrong_files(with_folders(words).folders), None)
        if wrong is None:
            raise
        raise InputError(wrong) from error


def vary(composed: DictConfig, words: Sequence[str]) -> DictConfig:
    """A composed config with more values, as `compose` gives it with these words at the end; no choices of a group.

    It takes a hundredth of the time, since no file is read and nothing is merged again.
    """
    made = copy.deepcopy(composed)
    try:
        ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(list(words)), made)
    except ERRORS as error:
        raise InputError(explain(error)) from error
    return made


def wrong_files(folders: Sequence[Path]) -> Iterator[str]:
    """A sentence about each file that cannot be a config."""
    for file in sorted(file for folder in folders for file in folder.rglob("*.yaml")):
        try:
            content = load(file)
        except InputError as error:
            yield str(error)
            continue
        defaults = content.get("defaults", [])
        if not isinstance(defaults, list):
            yield f"{file}: `defaults` is no list: say defaults: [slurm]"
        elif wrong := [one for one in defaults if not isinstance(one, str | dict)]:
            yield f"{file}: `defaults` holds {wrong[0]!r}, which is no name of a config"


def load(file: Path) -> dict[str, Any]:
    """The keys of a YAML file; an InputError if it has none."""
    try:
        content = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict | None):
        raise InputError(f"{file}: no keys in it (`key: value`, a line each)")
    return content or {}


def wrong_values(error: ValidationError, key_of: Callable[[Sequence[object]], str]) -> str:
    """One sentence: each key with a value that does not fit, and for each group the keys that have none."""
    wrong: list[str] = []
    missing: dict[str, list[str]] = {}
    for one in error.errors():
        key = key_of(one["loc"])
        group, _, name = key.rpartition(".")
        if one["type"] == "missing":
            missing.setdefault(group, []).append(name)
        else:
            wrong.append(f"{key}: {one['msg']}, got {masked_at(one['loc'], one['input'])!r}")
    return "; ".join([*wrong, *(no_value(group, names) for group, names in missing.items())])


def no_value(group: str, names: Sequence[str]) -> str:
    return (
        f"{group}: no value for {', '.join(names)}: a file that does not say all of its group's keys begins with "
        f"`defaults: [NAME]`, another file beside it, which does"
    )


def explain(error: BaseException) -> str:
    """One sentence: which key is unknown and which are valid, or what Hydra says."""
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        valid = [str(key) for key in cause.parent_node if key != "hydra"]
        near = difflib.get_close_matches(str(cause.key), valid, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key {cause.full_key}{meant}; valid there: {', '.join(valid)}"
    text = " ".join(re.split("(?:Config )?[Ss]earch path:|See https:", str(error))[0].split())
    if several := re.match(r"Ambiguous value for argument '(.*?)=(.*)' 1\. ", text):
        key, value = several.groups()
        return f"{key}={value}: several values; say -m to sweep over them, or {key}=[{value}] if they are a list"
    if merged := re.match(r"In '(.*?)': .*Cannot merge (Dict|List)", text):
        return (
            f"{merged[1]}.yaml: a list (`[a, b]`) stands where keys with values belong (`{{a: b}}`), or the other way "
            f"round; the file of its `defaults` shows how each key is written"
        )
    detail = " ".join(str(cause).split()) if isinstance(error, HydraException) and cause else ""
    return f"{text}: {detail}" if detail and detail not in text else text
