"""A net that looks at frames: a batch of pictures goes in, numbers come out. Several scorers may share one."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
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
    """`prepare` makes a picture an array, in any thread; `load` brings a batch of these to where `run` computes."""

    def prepare(self, picture: Image.Image) -> NDArray[Any]: ...
    def load(self, batch: NDArray[Any]) -> Any: ...
    def run(self, loaded: Any) -> NDArray[np.float32]: ...


class Scorer(NamedTuple):
    """`columns` makes what the net gives the values of columns, one a picture; `model` says which model it was."""

    net: Net
    columns: Callable[[NDArray[np.float32]], Mapping[str, Sequence[object]]]
    model: str


class TorchNet:
    """A torch module over pictures of one size, which are normalised on the device that computes."""

    def __init__(
        self, module: torch.nn.Module, features: Callable[[torch.Tensor], torch.Tensor], view: View, device: Device
    ) -> None:
        """`features` gives [pictures, n] from pixels [pictures, 3, height, width], with `module` in them."""
        self.module = module.eval().requires_grad_(False).to(device.place, device.dtype)
        self.features, self.view, self.device = features, view, device
        scales = (torch.tensor(values, device=device.place).view(3, 1, 1) * 255 for values in (view.mean, view.std))
        self.mean, self.std = scales

    def prepare(self, picture: Image.Image) -> NDArray[np.uint8]:
        return self.view.fit(picture)

    def load(self, batch: NDArray[np.uint8]) -> torch.Tensor:
        return self.device.copy(torch.from_numpy(batch))

    def run(self, loaded: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            self.device.wait(loaded)
            pixels = ((loaded.float() - self.mean) / self.std).to(self.device.dtype)
            found: NDArray[np.float32] = self.features(pixels).float().cpu().numpy()
            return found


class Batches:
    """Runs nets over batches; one that the GPU's memory cannot hold is halved, and so are all later ones."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.busy = threading.Lock()

    def run(self, net: Net, pictures: Sequence[NDArray[Any]]) -> tuple[NDArray[np.float32], float]:
        """What the net gives for each picture, in their order, and the seconds that it computed.

        Raises InputError if one picture alone is too large.
        """
        parts, at, took_s = [], 0, 0.0
        while at < len(pictures):
            size = min(self.most, len(pictures) - at)
            try:
                loaded = net.load(np.stack(pictures[at : at + size]))
                with self.busy:
                    began_s = time.monotonic()
                    parts.append(net.run(loaded))
                    took_s += time.monotonic() - began_s
                at += size
            except torch.OutOfMemoryError as error:
                torch.cuda.empty_cache()
                if size == 1:
                    raise InputError(
                        f"the GPU's memory is too small for a single picture: take a larger one (cluster.constraint), "
                        f"dtype=bfloat16, or fewer scorers in a step ({one_line(error)})"
                    ) from error
                self.most = min(self.most, size // 2)
        return np.concatenate(parts), took_s
