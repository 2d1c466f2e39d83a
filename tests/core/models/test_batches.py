"""Batches of anything: in order, halved for good where memory is short, refused where one item alone is too large."""

from collections.abc import Sequence

import pytest
import torch

from slurm.errors import InputError
from stages.core.models.batches import Batches


class Small:
    """A net on a device with memory for so many items; it doubles them."""

    def __init__(self, room: int, *, loads: bool = True) -> None:
        self.room, self.loads = room, loads
        self.sizes: list[int] = []

    def load(self, batch: Sequence[int]) -> Sequence[int]:
        self.sizes.append(len(batch))
        return batch if self.loads else self.hold(batch)

    def run(self, loaded: Sequence[int]) -> list[int]:
        return [2 * item for item in self.hold(loaded)]

    def hold(self, batch: Sequence[int]) -> Sequence[int]:
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch


@pytest.mark.parametrize("loads", [True, False])
def test_a_batch_that_memory_cannot_hold_is_halved_for_good(loads: bool) -> None:
    net, batches = Small(5, loads=loads), Batches(16, "less")
    found = list(batches.run(net, range(20)))
    assert [value for part in found for value in part.values] == list(range(0, 40, 2))
    assert [number for part in found for number in range(20)[part.items]] == list(range(20))
    assert net.sizes == [16, 8, 4, 4, 4, 4, 4]
    assert batches.most == 4
    assert [len(part.values) for part in batches.run(net, range(6))] == [4, 2]


def test_one_that_is_too_large_alone_is_told_with_what_helps() -> None:
    told = r"a batch of one: take a larger one \(cluster\.constraint\), dtype=bfloat16, or raft\.model=small"
    with pytest.raises(InputError, match=told):
        list(Batches(3, "raft.model=small").run(Small(0), [1]))
