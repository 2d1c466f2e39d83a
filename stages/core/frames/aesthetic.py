"""LAION's aesthetic score: how much people like a picture, about 1 to 10 (improved-aesthetic-predictor, ViT-L/14).

Its head is a row of linear layers without anything between them, so it is one affine map of the embedding.
"""

import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.core.models.hub import UnloadableError
from stages.core.models.weights import load_weights

LAYER = re.compile(r"(?:layers|mlp)\.(?:layers\.)?(\d+)\.weight")


def load_head(file: Path, size: int, key: str) -> tuple[NDArray[np.float32], float]:
    """The head as an affine map of a vector of this size: factors, float32 [size], and an offset.

    Raises UnloadableError with `key`, the option that the file was given by.
    """
    weights = load_weights(file, key)
    numbers = sorted((int(found[1]), name) for name in weights if (found := LAYER.fullmatch(name)))
    factors, offset = torch.eye(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    for _, name in numbers:
        weight, bias = weights[name].double(), weights[name.removesuffix("weight") + "bias"].double()
        if weight.shape[1] != factors.shape[0]:
            numbers = []
            break
        factors, offset = weight @ factors, weight @ offset + bias
    if not numbers or factors.shape[0] != 1:
        shapes = {name: tuple(value.shape) for name, value in weights.items()}
        raise UnloadableError(f"{key}{file.name}: not a head over {size} numbers that gives one: {shapes}")
    return factors[0].float().numpy(), float(offset[0])
