"""Measures `describe_frames`: four tasks over batches of frames, beside one task and one frame at a time.

Florence-2-large with random weights, since speed does not depend on them; every answer has 64 tokens. On the GPU where
torch sees one, else on all cores. `small=true`: a tiny model.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from PIL import Image
from support import florence, frame_models

from scripts.bench.lines import Line, shared
from scripts.bench.models.frame_scores import seconds
from stages.core.frames.describe.florence import FlorenceNet
from stages.core.frames.describe.settings import Task
from stages.core.frames.net import SMALLER
from stages.core.models.batches import Batches
from stages.core.models.device import find_device

ROUNDS, TOKENS = 3, 64
CORES, GPUS = len(os.sched_getaffinity(0)), int(torch.cuda.is_available())
TASKS: tuple[Task, ...] = ("caption", "detailed_caption", "dense_region_caption", "ocr_with_region")
TEXT: dict[str, Any] = {
    "d_model": 1024, "encoder_layers": 12, "decoder_layers": 12, "encoder_attention_heads": 16,
    "decoder_attention_heads": 16, "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "max_position_embeddings": 4096,
    "vocab_size": 51289,
}  # fmt: skip
VISION: dict[str, Any] = {
    "embed_dim": (256, 512, 1024, 2048), "num_heads": (8, 16, 32, 64), "num_groups": (8, 16, 32, 64),
    "depths": (1, 1, 9, 1), "window_size": 12, "projection_dim": 1024,
}  # fmt: skip


def one_by_one(net: FlorenceNet, pictures: Sequence[Image.Image]) -> None:
    """What a loop does: of each picture and task the vision tower, the prompt and the answer."""
    places = [net.module.config.image_token_id] * ((net.pixels.view.width_px // 32) ** 2 + 1)
    with torch.inference_mode():
        for picture in pictures:
            for prompt in net.prompts.values():
                pixels = net.pixels.normalise(net.pixels.load([net.pixels.view.fit(picture)]))
                ids = torch.tensor([[*places, *prompt.tolist()]], device=pixels.device)
                net.module.generate(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids))


def measure(folder: Path, *, small: bool = False) -> Iterator[Line]:
    place = shared(folder) / ("florence_small" if small else "florence")
    if not (place / "config.json").exists():
        more: dict[str, Any] = {} if small else {"text": TEXT, "vision": VISION, "side_px": 768}
        florence.save_florence(place, **more)
    rounds, count, batch = (1, 4, 4) if small else (ROUNDS, 64, 32) if GPUS else (1, 4, 4)
    torch.set_num_threads(CORES)
    own = replace(florence.stage_settings().florence, model=str(place), max_tokens=TOKENS)
    net = FlorenceNet(own, TASKS, find_device("auto", gpus=GPUS))
    net.module.generation_config.min_new_tokens = TOKENS
    looked: list[int] = []
    net.module.model.vision_tower.register_forward_hook(lambda module, given, found: looked.append(len(given[0])))
    pictures = [frame_models.picture(n, 512, 288) for n in range(count)]
    where = torch.cuda.get_device_name() if GPUS else f"{CORES} cores"

    def in_batches() -> None:
        for _ in Batches(batch, SMALLER).run(net, [net.prepare(picture) for picture in pictures]):
            pass

    in_batches()
    yield Line("runs of the vision tower a picture, for four tasks", sum(looked) / count, "", 1, "counted")
    alone = pictures[: max(1, count // 8)]
    one_by_one(net, alone[:1])
    ours_s = median(seconds(in_batches) for _ in range(rounds)) / count
    loop_s = median(seconds(lambda: one_by_one(net, alone)) for _ in range(rounds)) / len(alone)
    how = f"{1 / ours_s:.2f} pictures/s in batches of {batch} on {where}, {own.beams} beams"
    yield Line("four tasks in batches / one task and picture at a time", loop_s / ours_s, "times", 3, how, True)
