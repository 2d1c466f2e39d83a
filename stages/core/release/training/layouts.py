"""The files by which each trainer finds clips and captions, in the form in which its own loader reads them.

    ltx              metadata.jsonl: video, caption               --resolution-buckets, as plan.txt says
    finetrainers     videos.txt and prompts.txt, line by line     training.json
    diffusion_pipe   KEY.mp4 and KEY.txt in a folder a bucket     dataset.toml
    musubi           the same                                     dataset.toml

finetrainers would take a metadata.jsonl instead of the two lists, so it gets none. diffusion-pipe and musubi-tuner do
not look into folders within theirs. Where diffusion-pipe is given several size_buckets at once it sorts their shapes
apart from them, and takes the bucket of another shape; so each bucket is a folder with that one alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stages.core.release.training.buckets import Bucket
from stages.core.release.training.settings import Trainer


class Layout(NamedTuple):
    """What a layout has: a folder a bucket with texts beside clips, and under which name metadata.jsonl has a clip."""

    by_bucket: bool
    video: str | None  # None: there is no metadata.jsonl


LAYOUTS = {
    "ltx": Layout(by_bucket=False, video="video"),
    "finetrainers": Layout(by_bucket=False, video=None),
    "diffusion_pipe": Layout(by_bucket=True, video="video"),
    "musubi": Layout(by_bucket=True, video="video_path"),
}


def start_files(options: Trainer, buckets: Sequence[Bucket]) -> Mapping[str, str]:
    """The configs that name a folder's buckets to its trainer, by their names; paths are seen from that folder."""
    if options.layout == "finetrainers":
        sizes = [[one.frames, one.height_px, one.width_px] for one in buckets]
        dataset = {"data_root": ".", "dataset_type": "video", "video_resolution_buckets": sizes}
        return {
            "training.json": json.dumps({"datasets": [{**dataset, "reshape_mode": "resize_crop"}]}, indent=2) + "\n"
        }
    if options.layout == "diffusion_pipe":
        tables = [
            f"[[directory]]\npath = '{one}'\nsize_buckets = [[{one.width_px}, {one.height_px}, {one.frames}]]\n"
            for one in buckets
        ]
        return {"dataset.toml": "\n".join(tables)}
    if options.layout == "musubi":
        head = f'[general]\ncaption_extension = ".txt"\nbatch_size = {options.batch}\nenable_bucket = true\n'
        tables = [
            f"[[datasets]]\nvideo_directory = '{one}'\ncache_directory = 'cache/{one}'\n"
            f"resolution = [{one.width_px}, {one.height_px}]\ntarget_frames = [{one.frames}]\n"
            f'frame_extraction = "head"\n'
            for one in buckets
        ]
        return {"dataset.toml": "\n".join([head, *tables])}
    return {}


def advice(options: Trainer, buckets: Sequence[Bucket]) -> str:
    """How the trainer is started with these buckets, and what it does with one that fills no batch."""
    sizes = ";".join(map(str, buckets))
    here = "Paths are seen from train/, so start the trainer there, or make them whole."
    return {
        "ltx": f'train/metadata.jsonl --caption-column caption --video-column video --resolution-buckets "{sizes}"\n'
        f"LTX-Video-Trainer takes one bucket; LTX-2's trainer several, at a batch size of 1.",
        "finetrainers": f"--dataset_config training.json\n{here} The clips of a batch must be of one bucket.",
        "diffusion_pipe": f"dataset = 'dataset.toml'\n{here} Clips that fill no batch are left out.",
        "musubi": f"--dataset_config dataset.toml\n{here} Clips that fill no batch are a smaller one.",
    }[options.layout]
