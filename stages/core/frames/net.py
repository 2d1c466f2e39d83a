"""A net that looks at frames: a batch of pictures goes in, what it finds in each comes out. Scorers may share one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from stages.core.frames.pictures import View
from stages.core.models import batches
from stages.core.models.device import Device

SMALLER = "fewer scorers or florence.beams in a step"  # where the GPU's memory is too small


class Net(batches.Net, Protocol):
    """`prepare` readies a picture, in any thread; batches of these are what it computes with."""

    def prepare(self, picture: Image.Image) -> Any: ...


class Scorer(NamedTuple):
    """`columns` makes what the net gives the values of columns, one a picture; `model` says which model it was."""

    net: Net
    columns: Callable[[Any], Mapping[str, Sequence[object]]]
    model: str


class TorchNet:
    """A torch module over pictures of one size, which are normalised on the device that computes."""

    def __init__(
        self, module: torch.nn.Module, features: Callable[[torch.Tensor], torch.Tensor], view: View, device: Device
    ) -> None:
        """`features` gives [pictures, n] from pixels [pictures, 3, height, width], with `module` in them."""
        self.module = module.eval().requires_grad_(False).to(device.place, device.dtype)
        self.features, self.pixels = features, Pixels(view, device)

    def prepare(self, picture: Image.Image) -> NDArray[np.uint8]:
        return self.pixels.view.fit(picture)

    def load(self, batch: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        return self.pixels.load(batch)

    def run(self, loaded: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = self.features(self.pixels.normalise(loaded)).float().cpu().numpy()
            return found


class Pixels:
    """Batches of pictures on the device that computes, as the view scales and normalises them."""

    def __init__(self, view: View, device: Device) -> None:
        self.view, self.device = view, device
        scales = (torch.tensor(values, device=device.place).view(3, 1, 1) * 255 for values in (view.mean, view.std))
        self.mean, self.std = scales

    def load(self, batch: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        """uint8 [pictures, 3, height, width], perhaps still being copied."""
        return self.device.copy(torch.from_numpy(np.stack(batch)))

    def normalise(self, loaded: torch.Tensor) -> torch.Tensor:
        """What `load` gave, in the models' dtype."""
        self.device.wait(loaded)
        return ((loaded.float() - self.mean) / self.std).to(self.device.dtype)
