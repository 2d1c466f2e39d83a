"""What a run remembers of the commands that planned it: the words about its input, source, opt_out and cluster.

<runs>/<run>/run.json    {"format": 1, "words": {"input.path": "input.path=/data", …}}; written by the command
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slurm.credentials import MASK
from slurm.errors import InputError
from slurm.owner import is_own
from slurm.record.formats import DamagedError, load, save

FORMAT = 1
GROUPS = ("input", "source", "opt_out", "cluster")
CHOICES = ("source", "cluster")  # another choice has other keys
# what a stage's own command asks for itself; the run's other steps need not have it
OF_ONE_STAGE = re.compile(r"cluster\.(cpus|gpus|mem_gb|minutes|max_mem_gb|max_minutes|parallel)$")

TRUST = re.compile(r"cluster\.trust\b")  # each user says himself whom he trusts


def kept(words: Sequence[str], *, of_stage: bool) -> list[str]:
    """The words that the run's next commands take as well; of a stage's own command not what only that stage needs."""
    of_run = [word for word in words if key_of(word).partition(".")[0] in GROUPS]
    return [word for word in of_run if not (of_stage and OF_ONE_STAGE.match(key_of(word)))]


def key_of(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def recall(run: Path, words: Sequence[str]) -> list[str]:
    """The words that the run remembers and that these do not replace."""
    return [word for key, word in merged(read(run), words).items() if word not in words and key not in keys(words)]


def keys(words: Sequence[str]) -> set[str]:
    return {key_of(word) for word in words}


def merged(remembered: dict[str, str], words: Sequence[str]) -> dict[str, str]:
    """Key → word, the later one; with another source or cluster the keys of the former one are forgotten."""
    found = dict(remembered)
    for word in kept(words, of_stage=False):
        key = key_of(word)
        if key in CHOICES and found.get(key) != word:
            found = {other: said for other, said in found.items() if not other.startswith(f"{key}.")}
        found[key] = word
    return found


def remember(run: Path, words: Sequence[str]) -> None:
    """Adds the words to what the run remembers; fields of the file that are not ours stay."""
    before, old = read(run), content(run)
    now = merged(before, words)
    if now != before:
        save(path(run), {**old, "format": FORMAT, "words": now}, old)


def read(run: Path) -> dict[str, str]:
    """Key → word; empty if the run remembers nothing."""
    words = {str(key): str(word) for key, word in content(run).get("words", {}).items()}
    known = {key: word for key, word in words.items() if MASK not in word}  # else it is kept for another user alone
    return known if is_own(path(run)) else {key: word for key, word in known.items() if not TRUST.match(key)}


def content(run: Path) -> dict[str, Any]:
    """The whole file; an InputError if it is of a newer version, or none of ours."""
    try:
        found = load(path(run))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except DamagedError as error:
        raise InputError(f"{path(run)} is no JSON: remove it, and say input.path= and cluster= again") from error
    if not isinstance(found, dict) or not isinstance(found.get("words", {}), dict):
        raise InputError(f"{path(run)} is no record of a run: remove it, and say input.path= and cluster= again")
    if found.get("format", FORMAT) > FORMAT:
        raise InputError(f"{path(run)} has format {found['format']}, of a newer Reelmill: this one knows {FORMAT}")
    return found


def path(run: Path) -> Path:
    return run / "run.json"
