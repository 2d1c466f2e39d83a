"""Where the page finds the file of an item: by a path relative to the page, or below `media_base`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from slurm.record.manifest import Step


class Places(NamedTuple):
    """`base`: the address at which `roots`, the folders of the run's media, are read; None: where they are."""

    page: Path
    base: str | None
    roots: Sequence[str]

    def address(self, path: str) -> str | None:
        """The address of a file for the page; None if it has none: it lies in an object store, say."""
        if self.base is not None:
            root = next((root for root in self.roots if path.startswith(f"{root.rstrip('/')}/")), None)
            if root is not None:
                return f"{self.base.rstrip('/')}/{quote_path(path[len(root.rstrip('/')) + 1 :])}"
        if "://" in path:
            return None
        return quote_path(os.path.relpath(path, self.page))


def quote_path(path: str) -> str:
    """A relative path as part of an address, whatever bytes its names have; never one with a scheme."""
    quoted = quote(os.fsencode(path))
    return quoted if quoted.startswith((".", "/")) or ":" not in quoted.partition("/")[0] else f"./{quoted}"


def find_places(page: Path, base: str | None, steps: Sequence[Step]) -> Places:
    """The roots are those of what steps store, then the folder that was read; the longest first."""
    roots = []
    for step in steps:
        store = step.plan.config.get("store") or {}
        source = step.plan.config.get("input") or {}
        roots += [store.get("root"), str(step.paths.media.absolute()), source.get("path")]
    known = {root if "://" in root else str(Path(root).absolute()) for root in roots if root}
    return Places(page.absolute(), base, sorted(known, key=lambda root: (-len(root), root)))


def origins(base: str | None) -> str:
    """Where media may come from, for the page's policy: its own place, and the host of `media_base`."""
    parts = urlsplit(base or "")
    return f"'self' {parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
