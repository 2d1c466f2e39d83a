"""LAION's watermark net on the EfficientNet of transformers gives the numbers that it gives on timm's."""

import json
from pathlib import Path

import pytest
import torch
from support.frame_models import save_head, timm_weights

from scripts.truth.watermark_logits import seeded_pictures
from stages.core.frames.watermark import Classifier, WatermarkNet
from stages.core.models.device import find_device
from stages.core.models.hub import UnloadableError

TRUTH = json.loads((Path(__file__).parent / "watermark_logits.json").read_text())


def test_logits_are_those_of_timm() -> None:
    weights = timm_weights()
    assert sum(value.dim() > 0 for value in weights.values()) == TRUTH["weights"]
    net = Classifier().eval()
    net.load_timm(weights)
    with torch.inference_mode():
        logits = net(seeded_pictures())
    assert torch.allclose(logits, torch.tensor(TRUTH["logits"]), rtol=1e-5, atol=1e-4)


def test_weights_of_another_net_are_refused_by_key(tmp_path: Path) -> None:
    with pytest.raises(UnloadableError, match=r"watermark\.weights=head\.pth: not the weights of this net"):
        WatermarkNet(save_head(tmp_path / "head.pth"), "head.pth", find_device("auto", gpus=0))
    (tmp_path / "text.pt").write_text("<html>")
    with pytest.raises(UnloadableError, match=r"watermark\.weights=text\.pt cannot be read as weights"):
        WatermarkNet(tmp_path / "text.pt", "text.pt", find_device("auto", gpus=0))
