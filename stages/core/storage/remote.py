"""The fsspec file system behind an address (s3://bucket/a.mp4, gs://…)."""

from typing import Any

from slurm.errors import InputError, ItemError
from stages.core.storage.addresses import find_fault
from stages.core.storage.errors import hide_passwords


def open_file_system(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it.

    Raises ItemError bad_value, InputError if the package for its scheme is not installed.
    """
    from fsspec.core import url_to_fs

    if fault := find_fault(address):
        raise ItemError("bad_value", hide_passwords(f"{address}: {fault}"))
    try:
        system, path = url_to_fs(address)
    except ValueError as error:
        raise ItemError("bad_value", hide_passwords(f"{address}: {error}")) from error
    except ImportError as error:
        raise InputError(hide_passwords(f"{address}: {find_package(address.partition('://')[0])[1]}")) from error
    return system, path


def open_source_system(address: str) -> tuple[Any, str]:
    """Like `open_file_system`, for the address of one row: where a package is missing, ItemError unreadable."""
    try:
        return open_file_system(address)
    except InputError as error:
        raise ItemError("unreadable", str(error)) from error


def find_package(scheme: str) -> tuple[str, str]:
    """The package that reads addresses of this scheme, and a sentence on how to install it."""
    from fsspec.registry import known_implementations

    name = str(known_implementations[scheme]["class"]).partition(".")[0]
    installed_as = "'reelmill[s3]'" if name == "s3fs" else name
    return name, f"it needs the package {name}: pip install {installed_as}"
