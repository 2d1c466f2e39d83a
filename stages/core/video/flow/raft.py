"""The mean motion between two pictures by RAFT (Teed and Deng 2020): LVD-2M's own measure, by torchvision's net.

Coordinates stay float32, since bfloat16 would round them to 4 px: `dtype` is that of the products and convolutions
(autocast). torchvision's net refuses to run as a whole in half precision, too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.frame import VideoFrame

from slurm.errors import InputError, ItemError
from stages.core.models.batches import Batches
from stages.core.models.device import Device
from stages.core.models.hub import UnloadableError, one_line
from stages.core.models.weights import load_weights, name_file
from stages.core.video.flow.meter import Pair, View
from stages.core.video.flow.settings import Raft
from stages.core.video.read.frames import Image, orient

KEY = "raft.weights="


class RaftMeter:
    """A Meter, and a net of Batches."""

    def __init__(self, settings: Raft, batch: int, device: Device) -> None:
        """Raises UnloadableError for weights that are not this net's, InputError if torchvision does not work."""
        try:
            from torchvision.models import optical_flow
        except (ImportError, RuntimeError) as error:
            raise InputError(
                f"backend=raft: the torchvision here does not work with torch {torch.__version__}: install the build "
                f"that belongs to it ({one_line(error)})"
            ) from error
        weights, self.name = find_weights(settings, optical_flow)
        net = getattr(optical_flow, f"raft_{settings.model}")(weights=None)
        try:
            net.load_state_dict(weights)
        except RuntimeError as error:
            raise UnloadableError(
                f"{KEY}{settings.weights}: not the weights of torchvision's raft_{settings.model}: {one_line(error)}"
            ) from error
        self._batches, self._device = Batches(batch, "raft.model=small"), device
        self._net = net.eval().requires_grad_(False).to(device.place)

    @property
    def batch(self) -> int:
        return self._batches.most

    def prepare(self, frame: VideoFrame, view: View) -> Image:
        """The frame in RGB, uint8 [3, height, width]. Raises ItemError corrupt."""
        size = (view.width_px, view.height_px)
        try:
            stretched = frame.reformat(*(size[::-1] if view.orientation.turns % 2 else size), "rgb24")
        except (av.FFmpegError, ValueError) as error:
            raise ItemError("corrupt", f"pixel format {frame.format.name} cannot be read: {error}") from error
        pixels = np.asarray(stretched.to_ndarray(), np.uint8)
        return np.ascontiguousarray(orient(pixels, view.orientation).transpose(2, 0, 1))

    def measure(self, pairs: Sequence[Pair[Image]]) -> list[float]:
        """Raises InputError if one pair alone is too large for the GPU."""
        return [length for found in self._batches.run(self, pairs) for length in found.values]

    def load(self, pairs: Sequence[Pair[Image]]) -> torch.Tensor:
        """uint8 [2 * pairs, 3, height, width], perhaps still being copied."""
        return self._device.copy(torch.from_numpy(np.stack([picture for pair in pairs for picture in pair])))

    @torch.inference_mode()
    def run(self, loaded: torch.Tensor) -> list[float]:
        self._device.wait(loaded)
        pixels = loaded.float() / 127.5 - 1
        place, dtype = self._device.place, self._device.dtype
        with torch.autocast(place.type, dtype, enabled=dtype != torch.float32):
            flow = self._net(pixels[::2], pixels[1::2])[-1]
        lengths: list[float] = flow.float().norm(dim=1).mean(dim=(1, 2)).tolist()
        return lengths


def find_weights(settings: Raft, optical_flow: Any) -> tuple[Mapping[str, torch.Tensor], str]:
    """The weights and their name with a hash: those of the file, else torchvision's. Raises UnloadableError."""
    if settings.weights is not None:
        file = Path(settings.weights).expanduser()
        if not file.is_file():
            raise UnloadableError(f"{KEY}{settings.weights}: there is no such file")
        return load_weights(file, KEY), name_file(file)
    own = getattr(optical_flow, f"Raft_{settings.model.title()}_Weights").DEFAULT
    try:
        weights = own.get_state_dict(progress=False, check_hash=True)  # the hash is the end of the file's name
    except (OSError, RuntimeError) as error:
        raise UnloadableError(
            f"{KEY}null: torchvision's weights could not be had ({one_line(error)}); download {own.url} where it can "
            f"be, and give the file"
        ) from error
    name, _, digest = Path(own.url).stem.rpartition("-")
    return weights, f"{name}@{digest}"
