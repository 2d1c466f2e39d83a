"""Finds the files of a model: in a folder, in the cache of the Hugging Face Hub, or by a download.

It imports neither torch nor transformers, so that a wrong name is reported at once.
"""

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo, get_cached_repo_tree, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    CachedRepoTreeNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from slurm.errors import InputError, is_disk_full

CACHED = "models--"  # what the names of folders in the Hub's cache begin with
PACKAGE = "package:"  # what the name of a model begins with that a Python package carries
TOKENIZER_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]  # config and tokenizer
MODEL_FILES = [*TOKENIZER_FILES, "*.safetensors"]
TIMEOUT_S = 5.0  # for the Hub to answer
TRUE = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub has it


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
    return find_folder(name, key) or _download(name, revision, files, name=name, key=key, instead=instead)


def find_folder(name: str, key: str) -> Path | None:
    """The folder of a model that lies here, or in a package; None for a name on the Hub. Raises UnloadableError."""
    path = find_in_package(name, key) if name.startswith(PACKAGE) else Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UnloadableError(f"{key}{name}: the folder has no config.json, so it does not contain a model")
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise UnloadableError(f"{key}{name}: there is no such folder; give a model's folder, or its name on the Hub")
    if "/" in name and path.parent.is_dir():
        raise UnloadableError(f"{key}{name}: {path.parent.resolve()} has no folder {path.name}")
    return None


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
    if path := find_own_file(name, key):
        return path
    repository, file = split_file(name)
    path = _download(repository, revision, [file], name=name, key=key) / file
    if not path.is_file():
        raise UnloadableError(f"{key}{name}: {repository} has no file {file}")
    return path


def find_own_file(name: str, key: str) -> Path | None:
    """A file that lies here; None for a name on the Hub. Raises UnloadableError."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") < 2:
        raise UnloadableError(f"{key}{name}: there is no such file; give a file, or owner/name/file on the Hub")
    return None


def split_file(name: str) -> tuple[str, str]:
    """`owner/name/file` as the repository on the Hub and the file's path in it."""
    owner, repository, file = name.split("/", 2)
    return f"{owner}/{repository}", file


def _download(
    repository: str, revision: str | None, files: Sequence[str], *, name: str, key: str, instead: str = ""
) -> Path:
    """The snapshot of a repository with the files of these patterns; the Hub is asked only for what is not cached."""
    cache = find_cache()
    with hub_errors(name, key, fetch_command(repository, revision, files, cache), cache, instead):
        if folder := find_cached(repository, revision, files, cache):
            return folder
        try:
            reached = ask_hub(repository, revision, os.environ) is not None
        except HfHubHTTPError:  # what is said of it, is said again
            reached = True
        snapshot = snapshot_download(  # which has no time limit of its own
            repository,
            revision=revision,
            cache_dir=cache,
            allow_patterns=list(files),
            local_files_only=not reached,
            endpoint=os.environ.get("HF_ENDPOINT") or None,
        )
        return Path(snapshot)


def find_cache(env: Mapping[str, str] = os.environ) -> Path:
    """The folder in which a process with this environment keeps what it downloads, by the rules of huggingface_hub."""
    home = env.get("HF_HOME") or f"{env.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    folder = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(folder)).expanduser()


def find_cached(
    repository: str, revision: str | None, files: Sequence[str], cache: Path, *, surely: bool = True
) -> Path | None:
    """The snapshot in the cache, if it is known to have every file of these patterns; nobody is asked.

    Not `surely`: also one of which that is not known, since another program has filled it.
    """
    try:
        if surely:
            get_cached_repo_tree(repository, revision=revision, cache_dir=cache)
        return Path(
            snapshot_download(
                repository, revision=revision, cache_dir=cache, allow_patterns=list(files), local_files_only=True
            )
        )
    except (CachedRepoTreeNotFoundError, LocalEntryNotFoundError):
        return None


def ask_hub(repository: str, revision: str | None, env: Mapping[str, str]) -> ModelInfo | None:
    """What the Hub that an environment names says of a repository, with its files' sizes; None if it is out of reach.

    Raises HfHubHTTPError if it refuses.
    """
    if (env.get("HF_HUB_OFFLINE") or env.get("TRANSFORMERS_OFFLINE") or "").upper() in TRUE:
        return None
    api = HfApi(endpoint=env.get("HF_ENDPOINT") or None, token=env.get("HF_TOKEN") or None)
    try:
        return api.model_info(repository, revision=revision, files_metadata=True, timeout=TIMEOUT_S)
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise
    except (HTTPError, OfflineModeIsEnabled):
        pass
    return None


def fetch_command(repository: str, revision: str | None, files: Sequence[str], cache: Path) -> str:
    """The command that downloads files of these patterns into a cache."""
    patterns = [word for file in files for word in ("--include", file)]
    at = ["--revision", revision] if revision else []
    return shlex.join(["hf", "download", repository, *at, *patterns, "--cache-dir", str(cache)])


@contextmanager
def hub_errors(name: str, key: str, command: str, cache: Path, instead: str = "") -> Iterator[None]:
    """Raises UnloadableError for what the Hub's client raises inside; `command` is one that fetches the files."""
    try:
        yield
    except HFValidationError as error:
        raise UnloadableError(f"{key}{name}: neither a folder nor a name on the Hub: {error}") from error
    except RepositoryNotFoundError as error:
        advice = "check the name; if it is private or gated, set HF_TOKEN"
        raise UnloadableError(f"{key}{name}: the Hub shows you no such model; {advice}") from error
    except RevisionNotFoundError as error:
        raise UnloadableError(f"{key}{name}: the Hub has it, but not in this revision; check its revision=") from error
    except HfHubHTTPError as error:
        raise UnloadableError(f"{key}{name}: download failed: {one_line(error)}") from error
    except (LocalEntryNotFoundError, HTTPError) as error:
        mend = f"download it where it can be ({command}), or give a local path{instead and f', or {instead}'}"
        where = f"{cache}; another folder: cluster.hub_cache=DIR"
        words = f"{key}{name}: the Hub cannot be reached, and it is not in the cache ({where}); {mend}"
        raise UnreachableError(words) from error
    except OSError as error:
        where = f" in {cache}; another folder: cluster.hub_cache=DIR" if is_disk_full(error) else ""
        raise UnloadableError(f"{key}{name}: download failed: {one_line(error)}{where}") from error


def find_revision(folder: Path) -> str | None:
    """The revision of a model from the Hub, by its snapshot folder; None for any other folder."""
    *_, repository, snapshots, name = ("", "", *folder.absolute().parts)
    return name if snapshots == "snapshots" and repository.startswith(CACHED) else None


def name_folder(folder: Path) -> str:
    """`owner/name` of a snapshot of the Hub, of any other folder its last name: rows hold no path of a machine."""
    if find_revision(folder):
        return folder.absolute().parts[-3].removeprefix(CACHED).replace("--", "/")
    return folder.resolve().name


def name_served(model: str) -> str:
    """What rows call a model that a server calls so: by `name_folder`, if it is a folder."""
    folder = Path(model).expanduser()
    return name_folder(folder) if folder.is_absolute() or model.startswith(".") or folder.is_dir() else model


def takes_images(folder: Path) -> bool:
    """Whether the model accepts images, by its config. Raises UnloadableError."""
    try:
        return "vision_config" in json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise UnloadableError(f"{folder}/config.json cannot be read: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """The message of an exception on one line, at most 500 characters."""
    return " ".join(str(error).split())[:500] or type(error).__name__
