"""Runs models over batches of what they compute with: a batch goes in, of each of its items something comes out."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from slurm.errors import InputError
from stages.core.models.hub import one_line


class Net(Protocol):
    """`load` brings a batch to where `run` computes; what `run` gives has something of each item, in their order."""

    def load(self, batch: Sequence[Any]) -> Any: ...
    def run(self, loaded: Any) -> Any: ...


class Found(NamedTuple):
    """What a net gives for some of the items, and the seconds that it computed."""

    items: slice
    values: Any
    took_s: float


class Batches:
    """Runs nets over batches; one that the GPU's memory cannot hold is halved, and so are all later ones."""

    def __init__(self, most: int, smaller: str) -> None:
        """`most` items a batch; `smaller`: what takes less memory, to suggest where a batch of one takes too much."""
        self.most, self._smaller = most, smaller
        self._busy = threading.Lock()

    def run(self, net: Net, items: Sequence[Any]) -> Iterator[Found]:
        """What the net gives for the items, in their order, batch by batch.

        Raises InputError if one item alone is too large.
        """
        at = 0
        while at < len(items):
            part = slice(at, min(at + self.most, len(items)))
            try:
                loaded = net.load(items[part])
                with self._busy:
                    began_s = time.monotonic()
                    values = net.run(loaded)
                    took_s = time.monotonic() - began_s
            except torch.OutOfMemoryError as error:
                size = part.stop - part.start
                torch.cuda.empty_cache()
                if size == 1:
                    raise InputError(
                        f"the GPU's memory is too small for a batch of one: take a larger one (cluster.constraint), "
                        f"dtype=bfloat16, or {self._smaller} ({one_line(error)})"
                    ) from error
                self.most = min(self.most, size // 2)
            else:
                yield Found(part, values, took_s)
                at = part.stop
