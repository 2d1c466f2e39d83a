"""Where a model's files are: a folder that was given, or what the Hub or its cache has; or why there are none.

It loads neither torch nor transformers, so that a wrong name is told at once.
"""

import json
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


class UnloadableError(Exception):
    """No model: what, where, and what mends it."""


class UnreachableError(UnloadableError):
    """The Hub does not answer, and the model is not in its cache."""


def found(name: str, revision: str | None) -> Path:
    """The folder of a model: itself, or what the Hub has under this name. Raises UnloadableError."""
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UnloadableError(f"--model-id {name}: the folder has no config.json, so it is no model's")
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise UnloadableError(
            f"--model-id {name}: there is no such folder; give a model's folder, or its name on the Hub"
        )
    if "/" in name and path.parent.is_dir():
        raise UnloadableError(f"--model-id {name}: {path.parent.resolve()} has no folder {path.name}")
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=FILES))
    except HFValidationError as error:
        raise UnloadableError(f"--model-id {name}: neither a folder nor a name on the Hub: {error}") from error
    except RepositoryNotFoundError as error:
        known = "check the name; if it is private or gated, set HF_TOKEN"
        raise UnloadableError(f"--model-id {name}: the Hub has no such model for you; {known}") from error
    except LocalEntryNotFoundError as error:
        mend = "give a model's folder, fill the cache where there is a net (hf download), or take --fallback untrained"
        where = huggingface_hub.constants.HF_HUB_CACHE
        words = f"--model-id {name}: the Hub cannot be reached, and it is not in the cache ({where}); {mend}"
        raise UnreachableError(words) from error
    except (HfHubHTTPError, OSError) as error:
        raise UnloadableError(f"--model-id {name}: it could not be downloaded: {line(error)}") from error


def sees(folder: Path) -> bool:
    """Whether its config speaks of pictures. Raises UnloadableError."""
    try:
        return "vision_config" in json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise UnloadableError(f"{folder}/config.json cannot be read: {line(error)}") from error


def line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
