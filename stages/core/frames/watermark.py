"""LAION's watermark detector (LAION-5B-WatermarkDetection): the probability that a picture has a watermark.

It is timm's EfficientNet-B3 with a head of three layers. Here it runs on the EfficientNet of transformers, which is
Keras' variant: names differ, the padding is set to that of torch and the batch norms' epsilon to 1e-5.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import nn
from transformers import EfficientNetConfig, EfficientNetModel
from transformers.models.efficientnet.modeling_efficientnet import EfficientNetDepthwiseLayer

from stages.core.frames.net import TorchNet
from stages.core.frames.pictures import View
from stages.core.models.device import Device
from stages.core.models.hub import UnloadableError
from stages.core.models.weights import load_weights, name_file

VIEW = View(256, 256, Image.Resampling.BILINEAR, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # ImageNet's scales
BLOCKS = (2, 3, 3, 5, 5, 6, 2)  # of each group of timm's
NORM_EPS = 1e-5
WATERMARK = 0  # class
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BOTH = ("weight", "bias")


def names_of_timm() -> dict[str, str]:
    """timm's name of each weight → that in transformers."""
    parts: dict[str, tuple[str, tuple[str, ...]]] = {
        "conv_stem": ("embeddings.convolution", ("weight",)),
        "bn1": ("embeddings.batchnorm", NORM),
        "conv_head": ("encoder.top_conv", ("weight",)),
        "bn2": ("encoder.top_bn", NORM),
    }
    places = [(group, block) for group, blocks in enumerate(BLOCKS) for block in range(blocks)]
    for number, (group, block) in enumerate(places):
        theirs, ours = f"blocks.{group}.{block}", f"encoder.blocks.{number}"
        depthwise, projection = f"{ours}.depthwise_conv.depthwise_", f"{ours}.projection.project_"
        if group:
            parts |= {
                f"{theirs}.conv_pw": (f"{ours}.expansion.expand_conv", ("weight",)),
                f"{theirs}.bn1": (f"{ours}.expansion.expand_bn", NORM),
                f"{theirs}.conv_dw": (f"{depthwise}conv", ("weight",)),
                f"{theirs}.bn2": (f"{depthwise}norm", NORM),
                f"{theirs}.conv_pwl": (f"{projection}conv", ("weight",)),
                f"{theirs}.bn3": (f"{projection}bn", NORM),
            }
        else:
            parts |= {
                f"{theirs}.conv_dw": (f"{depthwise}conv", ("weight",)),
                f"{theirs}.bn1": (f"{depthwise}norm", NORM),
                f"{theirs}.conv_pw": (f"{projection}conv", ("weight",)),
                f"{theirs}.bn2": (f"{projection}bn", NORM),
            }
        for name, inner in {"conv_reduce": "reduce", "conv_expand": "expand"}.items():
            parts[f"{theirs}.se.{name}"] = (f"{ours}.squeeze_excite.{inner}", BOTH)
    return {f"{theirs}.{one}": f"{ours}.{one}" for theirs, (ours, ones) in parts.items() for one in ones}


class Classifier(nn.Module):
    """The net: logits [pictures, 2] from pixels [pictures, 3, 256, 256]."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetModel(
            EfficientNetConfig(width_coefficient=1.2, depth_coefficient=1.4, image_size=300, hidden_dim=1536)
        )
        self.classifier = nn.Sequential(
            nn.Linear(1536, 625), nn.ReLU(), nn.Dropout(0.3), nn.Linear(625, 256), nn.ReLU(), nn.Linear(256, 2)
        )
        self.backbone.embeddings.padding = nn.ZeroPad2d(1)
        for part in self.backbone.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps = NORM_EPS
            if isinstance(part, EfficientNetDepthwiseLayer) and part.stride == 2:
                part.depthwise_conv_pad = nn.ZeroPad2d(part.depthwise_conv.kernel_size[0] // 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.backbone(pixel_values=pixels).pooler_output.flatten(1))
        return logits

    def load_timm(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Takes over weights under timm's names. Raises RuntimeError if they are not those of this net."""
        names = names_of_timm()
        self.load_state_dict({f"backbone.{names[n]}" if n in names else n: w for n, w in weights.items()})


class WatermarkNet(TorchNet):
    """The probability of a watermark, float32 [pictures, 1]. Raises UnloadableError."""

    def __init__(self, file: Path, given: str, device: Device) -> None:
        """`given` is how the file was named in the config."""
        module = Classifier()
        try:
            module.load_timm(load_weights(file, "watermark.weights="))
        except RuntimeError as error:
            lines = str(error).splitlines()[:3]
            raise UnloadableError(
                f"watermark.weights={given}: not the weights of this net: {' '.join(lines)[:300]}"
            ) from error
        self.name = name_file(file)

        def features(pixels: torch.Tensor) -> torch.Tensor:
            return torch.softmax(module(pixels).float(), dim=1)[:, [WATERMARK]]

        super().__init__(module, features, VIEW, device)
