"""Logits of timm's EfficientNet-B3 with LAION's watermark head, over weights and pictures by seed: what ours must give.

timm imports torchvision, of which this needs nothing: an empty stub stands in for it.

    pip install --no-deps --target DIR timm==1.0.31
    PYTHONPATH=DIR python -m scripts.truth.watermark_logits > tests/core/frames/watermark_logits.json
"""

import enum
import importlib.abc
import importlib.machinery
import json
import sys
import types
from collections.abc import Mapping, Sequence
from zlib import crc32

import torch
from torch import nn

PICTURES = 5
HEAD = (1536, 625, 256, 2)


def seeded_weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Random weights by their names, float32: the same ones wherever a weight has this name and shape."""
    made = {}
    for name, shape in shapes.items():
        chance = torch.Generator().manual_seed(crc32(name.encode()))
        values = torch.randn(tuple(shape), generator=chance)
        if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            values = values.sigmoid() + 0.5
        elif len(shape) > 1:
            values *= (2 / values[0].numel()) ** 0.5
        else:
            values *= 0.1
        made[name] = values
    return made


def seeded_pictures() -> torch.Tensor:
    """Pictures as the net takes them, float32 [PICTURES, 3, 256, 256], with coarse and fine structure."""
    chance = torch.Generator().manual_seed(3)
    coarse = torch.randn((PICTURES, 3, 16, 16), generator=chance)
    fine = torch.randn((PICTURES, 3, 256, 256), generator=chance)
    return nn.functional.interpolate(coarse, (256, 256), mode="nearest") + 0.3 * fine


def make_head() -> nn.Sequential:
    first, second, third, last = HEAD
    return nn.Sequential(
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(second, third),
        nn.ReLU(),
        nn.Linear(third, last),
    )


InterpolationMode = enum.Enum("InterpolationMode", ["NEAREST", "BILINEAR", "BICUBIC", "BOX", "HAMMING", "LANCZOS"])


class Stub(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """A torchvision in which every name is an empty class."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != "torchvision":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        class Module(types.ModuleType):
            def __getattr__(self, name: str) -> object:
                if name.startswith("__"):
                    raise AttributeError(name)
                return InterpolationMode if name == "InterpolationMode" else type(name, (nn.Module,), {})

        module = Module(spec.name)
        module.__path__, module.__version__ = [], "0"  # type: ignore[attr-defined]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def main() -> None:
    sys.meta_path.insert(0, Stub())
    timm = importlib.import_module("timm.models.efficientnet")
    net = timm.efficientnet_b3(pretrained=False, num_classes=2)
    net.classifier = make_head()
    shapes = {name: value.shape for name, value in net.state_dict().items() if value.dim()}
    net.load_state_dict(seeded_weights(shapes), strict=False)
    with torch.inference_mode():
        logits = net.eval()(seeded_pictures())
    print(json.dumps({"logits": logits.tolist(), "weights": len(shapes)}))


if __name__ == "__main__":
    main()
