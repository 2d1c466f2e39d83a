"""A net that looks at frames: a batch of pictures goes in, what it finds in each comes out. Scorers may share one."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from slurm.errors import InputError
from stages.core.frames.pictures import View
from stages.core.models.device import Device
from stages.core.models.hub import one_line


class Net(Protocol):
    """`prepare` readies a picture, in any thread; `load` brings a batch of these to where `run` computes.

    What `run` gives is an array or list with something of each picture, in their order.
    """

    def prepare(self, picture: Image.Image) -> Any: ...
    def load(self, batch: Sequence[Any]) -> Any: ...
    def run(self, loaded: Any) -> Any: ...


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


class Found(NamedTuple):
    """What a net gives for some of the pictures, and the seconds that it computed."""

    pictures: slice
    values: Any
    took_s: float


class Batches:
    """Runs nets over batches; one that the GPU's memory cannot hold is halved, and so are all later ones."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.busy = threading.Lock()

    def run(self, net: Net, pictures: Sequence[Any]) -> Iterator[Found]:
        """What the net gives for the pictures, in their order, batch by batch.

        Raises InputError if one picture alone is too large.
        """
        at = 0
        while at < len(pictures):
            part = slice(at, min(at + self.most, len(pictures)))
            try:
                loaded = net.load(pictures[part])
                with self.busy:
                    began_s = time.monotonic()
                    values = net.run(loaded)
                    took_s = time.monotonic() - began_s
            except torch.OutOfMemoryError as error:
                size = part.stop - part.start
                torch.cuda.empty_cache()
                if size == 1:
                    raise InputError(
                        f"the GPU's memory is too small for a single picture: take a larger one (cluster.constraint), "
                        f"dtype=bfloat16, or fewer scorers in a step ({one_line(error)})"
                    ) from error
                self.most = min(self.most, size // 2)
            else:
                yield Found(part, values, took_s)
                at = part.stop
