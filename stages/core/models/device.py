"""Where models compute: the GPU of this process, or the CPU; and in which type."""

import os
from typing import NamedTuple

import torch

from slurm.errors import InputError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Device(NamedTuple):
    """`stream` copies to the GPU beside what it computes; None on a CPU."""

    place: torch.device
    dtype: torch.dtype
    stream: "torch.cuda.Stream | None"

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor on the device; `wait` before it is used."""
        if self.stream is None:
            return tensor
        with torch.cuda.stream(self.stream):
            return tensor.pin_memory().to(self.place, non_blocking=True)

    def wait(self, copied: torch.Tensor) -> None:
        """Has what is computed from now on wait until the tensor is there."""
        if self.stream is not None:
            now = torch.cuda.current_stream(self.place)
            now.wait_stream(self.stream)
            copied.record_stream(now)


def find_device(dtype: str, *, gpus: int) -> Device:
    """The GPU of this process among `gpus` of its task, by LOCAL_RANK; the CPU if the task has none.

    `dtype` auto is bfloat16 on a GPU that computes in it, else float32. Raises InputError.
    """
    if not gpus:
        return Device(torch.device("cpu"), DTYPES.get(dtype, torch.float32), None)
    if not torch.cuda.is_available():
        raise InputError(
            f"cluster.gpus={gpus}, but torch {torch.__version__} sees no GPU here: is it a build for the CPU "
            f"(python -c 'import torch; print(torch.version.cuda)'), or has the task none (cluster.gpus=0)?"
        )
    place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    torch.cuda.set_device(place)
    auto = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return Device(place, DTYPES.get(dtype, auto), torch.cuda.Stream(place))  # type: ignore[no-untyped-call]
