"""Weights in a file of their own, and how a model is named in rows: without the paths of a machine."""

import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers

from slurm.record.files import hash_files
from stages.core.models.hub import PACKAGE, UnloadableError, find_revision, name_folder, one_line


def load_weights(file: Path, key: str) -> dict[str, torch.Tensor]:
    """The tensors in a file of torch or safetensors, by name, on the CPU; nothing in it is executed.

    Raises UnloadableError with `key`, the option that the file was given by.
    """
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise UnloadableError(f"{key}{file.name} cannot be read as weights: {one_line(error)}") from error
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise UnloadableError(f"{key}{file.name}: it holds a {type(found).__name__}, not tensors by name")
    return found


def load_module(kind: Any, folder: Path | None, dtype: torch.dtype | str, **more: Any) -> Any:
    """A model of transformers from a folder. Raises OSError, RuntimeError, ValueError if a weight of it is not there.

    Left to itself, transformers fills what a file lacks with random numbers, and says so in its log only.
    """
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # else it lists what the file has for other parts, a line each
    transformers.logging.disable_progress_bar()
    try:
        module, found = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True, **more)
    finally:
        transformers.logging.set_verbosity(before)
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise ValueError(f"{len(missing)} weights of a {kind.__name__} are not in its files, e.g. {missing[0]}")
    return module


def name_model(given: str, folder: Path) -> str:
    """`owner/name@revision` of a model of the Hub, its version of one in a package; else a folder's name and a hash."""
    if revision := find_revision(folder):
        return f"{name_folder(folder)}@{revision}"
    if given.startswith(PACKAGE):
        return f"{given}@{version(given.removeprefix(PACKAGE).partition('/')[0])}"
    return f"{name_folder(folder)}@{hash_files(sorted(folder.glob('*.safetensors')))}"


def name_file(file: Path) -> str:
    """`owner/name/file@revision` of a file of the Hub; of any other its name and a hash of it."""
    for folder in file.absolute().parents:
        if revision := find_revision(folder):
            return f"{name_folder(folder)}/{file.absolute().relative_to(folder)}@{revision}"
    return f"{file.name}@{hash_files([file])}"
