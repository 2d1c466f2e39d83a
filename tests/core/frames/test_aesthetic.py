"""The aesthetic head is one affine map, and a file that is none is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.frame_models import SIZE, save_head

from stages.core.frames.aesthetic import load_head
from stages.core.models.hub import UnloadableError


def test_the_map_gives_what_the_layers_give_one_after_another(tmp_path: Path) -> None:
    file = save_head(tmp_path / "head.pth")
    weights = torch.load(file, weights_only=True)
    vectors = torch.randn((50, SIZE), generator=torch.Generator().manual_seed(1))
    wanted = vectors
    for number in (0, 2, 4, 6, 7):
        wanted = wanted @ weights[f"layers.{number}.weight"].T + weights[f"layers.{number}.bias"]
    factors, offset = load_head(file, SIZE, "aesthetic.head=")
    assert np.abs(vectors.numpy() @ factors + offset - wanted[:, 0].numpy()).max() < 1e-6


def test_a_head_for_other_vectors_and_a_file_of_something_else_are_refused_by_key(tmp_path: Path) -> None:
    file = save_head(tmp_path / "head.pth", size=SIZE + 1)
    with pytest.raises(UnloadableError, match=rf"aesthetic\.head=head\.pth: not a head over {SIZE} numbers"):
        load_head(file, SIZE, "aesthetic.head=")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UnloadableError, match=r"aesthetic\.head=list\.pth: it holds a list"):
        load_head(tmp_path / "list.pth", SIZE, "aesthetic.head=")


def test_nothing_in_the_file_is_executed(tmp_path: Path) -> None:
    torch.save({"layers.0.weight": Path("x")}, tmp_path / "objects.pth")
    with pytest.raises(UnloadableError, match=r"aesthetic\.head=objects\.pth cannot be read as weights"):
        load_head(tmp_path / "objects.pth", SIZE, "aesthetic.head=")
