"""RAFT by torchvision, where that is installed; weights by chance: only what is true of any weights is asked."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.core.models.device import Device
from stages.core.models.hub import UnloadableError
from stages.core.video.flow.raft import RaftMeter
from stages.core.video.flow.settings import Raft

pytestmark = pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is not installed")

CPU = Device(torch.device("cpu"), torch.float32, None)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("weights") / "chance.pth"
    torch.save(raft_small(weights=None).state_dict(), file)
    return str(file)


def pairs(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    pixels = np.random.default_rng(2).integers(0, 255, (count, 2, 3, 128, 192), dtype=np.uint8)
    return [(first, second) for first, second in pixels]


def test_a_batch_gives_what_pairs_give_alone_in_any_type(weights: str) -> None:
    together = RaftMeter(Raft("small", weights), 3, CPU).measure(pairs(4))
    assert RaftMeter(Raft("small", weights), 1, CPU).measure(pairs(4)) == pytest.approx(together, rel=1e-4)
    rough = RaftMeter(Raft("small", weights), 3, CPU._replace(dtype=torch.bfloat16))
    assert rough.measure(pairs(4)) == pytest.approx(together, rel=0.05)


def test_weights_are_named_by_their_file_and_a_hash(weights: str) -> None:
    name, _, digest = RaftMeter(Raft("small", weights), 1, CPU).name.partition("@")
    assert (name, len(digest)) == (Path(weights).name, 12)


def test_weights_of_another_net_are_refused(weights: str) -> None:
    with pytest.raises(UnloadableError, match=r"not the weights of torchvision's raft_large"):
        RaftMeter(Raft("large", weights), 1, CPU)
