"""A tree of categories with unique labels: names that occur twice are qualified by their path."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from slurm.errors import InputError

ARROW = " > "


@dataclass(frozen=True)
class Leaf:
    """A category; `path` has the names from the root of the tree to its own."""

    path: tuple[str, ...]
    description: str = ""

    @property
    def name(self) -> str:
        return self.path[-1]

    @property
    def parent(self) -> str:
        """The path of its parent; empty at the root."""
        return ARROW.join(self.path[:-1])

    @property
    def text(self) -> str:
        """Path and description."""
        return f"{ARROW.join(self.path)}: {self.description}" if self.description else ARROW.join(self.path)


@dataclass(frozen=True)
class Taxonomy:
    """The leaves of a tree, in the order of the file."""

    leaves: tuple[Leaf, ...]

    @cached_property
    def labels(self) -> dict[str, Leaf]:
        """Each leaf by its label, which a model chooses: its name, or its whole path if the name is not unique."""
        names = Counter(leaf.name for leaf in self.leaves)
        return {leaf.name if names[leaf.name] == 1 else ARROW.join(leaf.path): leaf for leaf in self.leaves}

    @cached_property
    def topics(self) -> "Taxonomy":
        """The parents of the leaves, as a taxonomy of their own."""
        return Taxonomy(tuple(map(Leaf, self._by_parent)))

    def below(self, topic: str) -> "Taxonomy":
        """The leaves of a topic; `topic` is its label in `topics`."""
        return Taxonomy(tuple(self._by_parent[self.topics.labels[topic].path]))

    @cached_property
    def _by_parent(self) -> dict[tuple[str, ...], list[Leaf]]:
        """The leaves by the path of their parent; a leaf at the root is its own parent."""
        groups: dict[tuple[str, ...], list[Leaf]] = {}
        for leaf in self.leaves:
            groups.setdefault(leaf.path[:-1] or leaf.path, []).append(leaf)
        return groups

    @property
    def hash(self) -> str:
        """16 hex digits of a hash of the names, descriptions and order."""
        words = json.dumps([[*leaf.path, leaf.description] for leaf in self.leaves])
        return hashlib.sha256(words.encode()).hexdigest()[:16]


def read_taxonomy(path: Path) -> Taxonomy:
    """The taxonomy of a JSON or YAML file of nested names; a leaf has the value {}, null or its description.

    Raises InputError.
    """
    try:
        tree = yaml.safe_load(path.read_text())  # JSON is YAML, too
    except OSError as error:
        raise InputError(f"categories={path} cannot be read: {error.strerror} (seen from {Path.cwd()})") from error
    except yaml.YAMLError as error:
        raise InputError(f"categories={path} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    leaves = tuple(_leaves(tree, (), path))
    if len(leaves) < 2:
        raise InputError(f"categories={path} has {len(leaves)} categories; it needs at least two")
    twice = [leaf for leaf, times in Counter(leaf.path for leaf in leaves).items() if times > 1]
    if twice:
        raise InputError(f"categories={path} has {ARROW.join(twice[0])!r} twice")
    return Taxonomy(leaves)


def _leaves(node: Any, path: tuple[str, ...], file: Path) -> Iterator[Leaf]:
    match node:
        case dict() if node:
            for name, below in node.items():
                if not str(name).strip() or ARROW in str(name):
                    raise InputError(f"categories={file}: {name!r} below {ARROW.join(path)!r} is not a name")
                yield from _leaves(below, (*path, str(name)), file)
        case list() if node:
            for name in node:
                yield from _leaves(name if isinstance(name, dict) else {name: None}, path, file)
        case str() | None | {} | [] if path:
            yield Leaf(path, str(node or ""))
        case _:
            raise InputError(
                f"categories={file}: {ARROW.join(path) or 'its top'} is {node!r}, neither names nor a description"
            )
