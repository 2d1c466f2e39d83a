"""Where a model's files are: a folder that was given, or what the Hub or its cache has; or why there are none.

It loads neither torch nor transformers, so that a wrong name is told at once.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from slurm.errors import InputError

WORDS = ["*.json", "*.jinja", "*.model", "*.txt"]  # its config and tokenizer
WEIGHTS = [*WORDS, "*.safetensors"]


class UnloadableError(InputError):
    """No model: what, where, and what mends it."""


class UnreachableError(UnloadableError):
    """The Hub does not answer, and the model is not in its cache."""


def found(name: str, revision: str | None, key: str, *, files: Sequence[str] = WEIGHTS, instead: str = "") -> Path:
    """The folder of a model: itself, or what the Hub has under this name. Raises UnloadableError.

    `key` is where the name was given, `instead` what else could be said there.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UnloadableError(f"{key}{name}: the folder has no config.json, so it is no model's")
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise UnloadableError(f"{key}{name}: there is no such folder; give a model's folder, or its name on the Hub")
    if "/" in name and path.parent.is_dir():
        raise UnloadableError(f"{key}{name}: {path.parent.resolve()} has no folder {path.name}")
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=list(files)))
    except HFValidationError as error:
        raise UnloadableError(f"{key}{name}: neither a folder nor a name on the Hub: {error}") from error
    except RepositoryNotFoundError as error:
        known = "check the name; if it is private or gated, set HF_TOKEN"
        raise UnloadableError(f"{key}{name}: the Hub has no such model for you; {known}") from error
    except LocalEntryNotFoundError as error:
        mend = (
            f"fetch it once where there is a net (hf download {name}), or give a folder{instead and f', or {instead}'}"
        )
        where = huggingface_hub.constants.HF_HUB_CACHE
        words = f"{key}{name}: the Hub cannot be reached, and it is not in the cache ({where}); {mend}"
        raise UnreachableError(words) from error
    except (HfHubHTTPError, OSError) as error:
        raise UnloadableError(f"{key}{name}: it could not be downloaded: {line(error)}") from error


def commit(folder: Path) -> str | None:
    """The revision of a model from the Hub, by the folder that `found` gave; None of somebody's own."""
    return folder.name if folder.parent.name == "snapshots" else None


def sees(folder: Path) -> bool:
    """Whether its config speaks of pictures. Raises UnloadableError."""
    try:
        return "vision_config" in json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise UnloadableError(f"{folder}/config.json cannot be read: {line(error)}") from error


def line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
