"""Measures `score_frames`: JPEG bytes in a Parquet part → scores, beside what the models alone take.

Models of full size with random weights, since speed does not depend on them: CLIP ViT-L/14, LAION's EfficientNet-B3, a
ViT-B/16, SigLIP so400m at 384 px. On the GPU where torch sees one, by the clock; else on all cores, in seconds of CPU,
which the work of others hardly changes. `pictures=4 times=1` takes minutes on two cores; `scorers` are some of the
four. `small=true`: tiny models.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import polars as pl
import torch
from PIL import Image
from support import frame_models
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from scripts.bench.lines import Line, shared
from slurm.record.files import write_table
from stages.core.frames.net import Net
from stages.core.frames.one_pass import Loaded, load_once, look_at
from stages.core.frames.one_pass import prepare as prepare_part
from stages.core.frames.scorers import load_scorers
from stages.core.frames.settings import Name, Settings

BATCHES = (4, 8, 16, 32, 64, 128, 256)
CORES = len(os.sched_getaffinity(0))
GPUS = int(torch.cuda.is_available())
LARGE: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
}
SO400M: dict[str, Any] = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
NAMES: tuple[Name, ...] = ("aesthetic", "watermark", "nsfw", "similarity")


class Frames(NamedTuple):
    """Pictures of a film's size in a Parquet part, as analyze writes them."""

    file: Path
    jpegs: list[bytes]


def make_models(folder: Path, small: bool) -> None:
    """Folders of models as the Hub has them, and the files that the scorers need beside."""
    made = {
        "clip": frame_models.save_clip if small else save_large_clip,
        "siglip": frame_models.save_siglip if small else save_so400m,
        "nsfw": frame_models.save_classifier if small else save_vit,
    }
    for name, save in made.items():
        if not (folder / name / "preprocessor_config.json").exists():
            save(folder / name)
    frame_models.save_head(folder / "head.pth", frame_models.SIZE if small else 768)
    frame_models.save_watermark(folder / "watermark.pt")
    (folder / "reference.png").write_bytes(frame_models.encode(frame_models.picture(1), "PNG"))


def save_large_clip(folder: Path) -> None:
    config = CLIPVisionConfig(**LARGE, image_size=224, patch_size=14, projection_dim=768)
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)


def save_so400m(folder: Path) -> None:
    SiglipVisionModel(SiglipVisionConfig(**SO400M, image_size=384, patch_size=14)).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 384, "width": 384}).save_pretrained(folder)


def save_vit(folder: Path) -> None:
    ViTForImageClassification(ViTConfig(id2label={0: "normal", 1: "nsfw"})).save_pretrained(folder)
    ViTImageProcessorPil().save_pretrained(folder)


def settings(folder: Path, names: tuple[Name, ...], batch: int) -> Settings:
    """The stage's own, with these models."""
    plain = frame_models.stage_settings()
    return replace(
        plain,
        scorers=names,
        batch=batch,
        aesthetic=replace(plain.aesthetic, model=str(folder / "clip"), head=str(folder / "head.pth")),
        watermark=replace(plain.watermark, weights=str(folder / "watermark.pt")),
        nsfw=replace(plain.nsfw, model=str(folder / "nsfw")),
        similarity=replace(plain.similarity, model=str(folder / "siglip"), references=(str(folder / "reference.png"),)),
    )


def make_frames(folder: Path, count: int) -> Frames:
    """Pictures of 512 x 288, as analyze keeps them."""
    jpegs = [frame_models.encode(frame_models.picture(n, 512, 288), quality=85) for n in range(count)]
    write_table(folder / "frames.parquet", pl.DataFrame({"jpeg": jpegs}))
    return Frames(folder / "frames.parquet", jpegs)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began_s = clock()
    work()
    return clock() - began_s


spent_s = partial(seconds, clock=time.perf_counter if GPUS else time.process_time)


def end_to_end(frames: Frames, asked: Settings, job_frames: int) -> None:
    """As a worker does it: two jobs at a time, one being read while the other is computed."""
    rows = list(range(len(frames.jpegs)))
    jobs = [frame_models.job_of(frames.file, rows[at : at + job_frames]) for at in range(0, len(rows), job_frames)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: look_at(job, load_scorers, asked, CORES, GPUS), jobs))


def forward_only(loaded: Loaded, net: Net, arrays: Sequence[Any], batch: int) -> None:
    loaded.batches.most = batch
    for at in range(0, len(arrays), batch):
        list(loaded.batches.run(net, arrays[at : at + batch]))


def best_batch(loaded: Loaded, net: Net, frames: Frames, rounds: int) -> tuple[int, float]:
    """The batch with which the net alone is fastest, and its seconds for all frames."""
    arrays = [net.prepare(Image.open(BytesIO(jpeg)).convert("RGB")) for jpeg in frames.jpegs]
    sizes = [size for size in BATCHES if size <= len(arrays)] or [len(arrays)]
    forward_only(loaded, net, arrays, sizes[-1])
    found = {size: spent_s(lambda size=size: forward_only(loaded, net, arrays, size)) for size in sizes}  # type: ignore[misc]
    best = min(found, key=lambda size: found[size])
    return best, median(spent_s(lambda: forward_only(loaded, net, arrays, best)) for _ in range(rounds))


def one_by_one(jpegs: Sequence[bytes], processor: Any) -> None:
    """What a loop does that opens a picture, prepares it, then takes the next."""
    for jpeg in jpegs:
        processor(Image.open(BytesIO(jpeg)).convert("RGB"), return_tensors="pt")


def measure(
    folder: Path, *, pictures: int = 0, times: int = 3, scorers: str = ",".join(NAMES), small: bool = False
) -> Iterator[Line]:
    place = shared(folder) / ("frame_scores_small" if small else "frame_scores")
    place.mkdir(parents=True, exist_ok=True)
    make_models(place, small)
    rounds, names = 1 if small else times, tuple(name for name in NAMES if name in scorers.split(","))
    frames = make_frames(place, 4 if small else pictures or (4096 if GPUS else 32))
    job_frames = max(4, len(frames.jpegs) // 4 if not GPUS else 256)
    where = torch.cuda.get_device_name() if GPUS else f"{CORES} cores"

    alone_s: dict[Name, float] = {}
    for name in names:
        loaded = load_once(load_scorers, settings(place, (name,), 64), CORES, GPUS)
        batch, alone_s[name] = best_batch(loaded, loaded.nets[0], frames, rounds)
        asked = settings(place, (name,), batch)
        end_to_end(frames, asked, job_frames)
        whole_s = median(spent_s(lambda asked=asked: end_to_end(frames, asked, job_frames)) for _ in range(rounds))  # type: ignore[misc]
        how = f"{whole_s / len(frames.jpegs):.3f} s a picture in batches of {batch} on {where}"
        yield Line(f"{name}: end to end / model alone", alone_s[name] / whole_s, "", 0.9 if GPUS else 0.85, how, True)
        load_once.cache_clear()
        del loaded

    asked = settings(place, names, 16)
    end_to_end(frames, asked, job_frames)
    together_s = median(spent_s(lambda: end_to_end(frames, asked, job_frames)) for _ in range(rounds))
    ratio, how = together_s / sum(alone_s.values()), f"{together_s / len(frames.jpegs):.3f} s a picture"
    yield Line("scorers together / sum of the models alone", ratio, "", 1.1, f"{how}: {', '.join(names)}")

    loaded = load_once(load_scorers, settings(place, ("aesthetic",), 16), CORES, GPUS)
    jpegs = frames.jpegs * (1 if small or GPUS else max(1, 256 // len(frames.jpegs)))
    many = make_frames(place, len(jpegs)) if len(jpegs) > len(frames.jpegs) else frames
    processor = CLIPImageProcessorPil.from_pretrained(place / "clip")
    parts = [range(at, min(at + 32, len(jpegs))) for at in range(0, len(jpegs), 32)]

    def prepare() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            job = frame_models.job_of(many.file, range(len(jpegs)))
            list(pool.map(lambda part: list(prepare_part(job, part, loaded)), parts))

    # by the clock, since it is what the cores do at once: the least of each, for others may be at work
    loop_s, ours_s = (
        min(seconds(work) for _ in range(3 * rounds)) for work in (lambda: one_by_one(many.jpegs, processor), prepare)
    )
    ratio, how = loop_s / ours_s, f"{len(jpegs) / ours_s:.0f} pictures/s on {CORES} cores"
    yield Line("reading, decoding and resizing / a loop over one picture at a time", ratio, "times", 1.6, how, True)
