"""Finds the files of a model: in a folder, in the cache of the Hugging Face Hub, or by a download.

It imports neither torch nor transformers, so that a wrong name is reported at once.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from slurm.errors import InputError

PACKAGE = "package:"  # what the name of a model begins with that a Python package carries
TOKENIZER_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]  # config and tokenizer
MODEL_FILES = [*TOKENIZER_FILES, "*.safetensors"]


class UnloadableError(InputError):
    """The model cannot be loaded."""


class UnreachableError(UnloadableError):
    """The Hub cannot be reached, and the model is not in its cache; or its package is not installed."""


def find_model(
    name: str, revision: str | None, key: str, *, files: Sequence[str] = MODEL_FILES, instead: str = ""
) -> Path:
    """The local folder of a model: `name` itself, that of a package, or the Hub's snapshot. Raises UnloadableError.

    For messages: `key` is the option that `name` was given by, `instead` an alternative to suggest.
    """
    path = find_in_package(name, key) if name.startswith(PACKAGE) else Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UnloadableError(f"{key}{name}: the folder has no config.json, so it does not contain a model")
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise UnloadableError(f"{key}{name}: there is no such folder; give a model's folder, or its name on the Hub")
    if "/" in name and path.parent.is_dir():
        raise UnloadableError(f"{key}{name}: {path.parent.resolve()} has no folder {path.name}")
    with hub_errors(name, key, f"hf download {name}", instead):
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=list(files)))


def find_in_package(name: str, key: str) -> Path:
    """The folder that an installed package carries: `package:NAME/FOLDER`. Raises UnreachableError."""
    module, _, folder = name.removeprefix(PACKAGE).partition("/")
    found = find_spec(module) if module.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise UnreachableError(
            f"{key}{name}: the package {module} is not installed: make models brings those of the demo"
        )
    return Path(found.submodule_search_locations[0]) / folder


def find_file(name: str, revision: str | None, key: str) -> Path:
    """The local path of a file: `name` itself, or the Hub's for `owner/name/file`. Raises UnloadableError."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") < 2:
        raise UnloadableError(f"{key}{name}: there is no such file; give a file, or owner/name/file on the Hub")
    owner, model, file = name.split("/", 2)
    with hub_errors(name, key, f"hf download {owner}/{model} {file}"):
        return Path(huggingface_hub.hf_hub_download(f"{owner}/{model}", file, revision=revision))


@contextmanager
def hub_errors(name: str, key: str, command: str, instead: str = "") -> Iterator[None]:
    """Raises UnloadableError for what the Hub's client raises inside; `command` is one that fetches the files."""
    try:
        yield
    except HFValidationError as error:
        raise UnloadableError(f"{key}{name}: neither a folder nor a name on the Hub: {error}") from error
    except RepositoryNotFoundError as error:
        advice = "check the name; if it is private or gated, set HF_TOKEN"
        raise UnloadableError(f"{key}{name}: the Hub shows you no such model; {advice}") from error
    except LocalEntryNotFoundError as error:
        mend = f"download it where it can be ({command}), or give a local path{instead and f', or {instead}'}"
        where = huggingface_hub.constants.HF_HUB_CACHE
        words = f"{key}{name}: the Hub cannot be reached, and it is not in the cache ({where}); {mend}"
        raise UnreachableError(words) from error
    except (HfHubHTTPError, OSError) as error:
        raise UnloadableError(f"{key}{name}: download failed: {one_line(error)}") from error


def find_revision(folder: Path) -> str | None:
    """The revision of a model from the Hub, by its snapshot folder; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def takes_images(folder: Path) -> bool:
    """Whether the model accepts images, by its config. Raises UnloadableError."""
    try:
        return "vision_config" in json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise UnloadableError(f"{folder}/config.json cannot be read: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """The message of an exception on one line, at most 500 characters."""
    return " ".join(str(error).split())[:500] or type(error).__name__
