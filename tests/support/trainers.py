"""Readers of a trainer's folder, written from what each trainer documents and does; and the options of one."""

import json
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import TypeAdapter
from support.runs import ROOT

from stages.core.release.training.settings import Trainer


def options_of(layout: str, **more: object) -> Trainer:
    loaded = yaml.safe_load((ROOT / "conf" / "format" / "trainer.yaml").read_text())
    found: Trainer = TypeAdapter(Trainer).validate_python({**loaded, "layout": layout, **more})
    return found


class Sample(NamedTuple):
    """A clip as a trainer gets it; None: its loader is told no bucket of it."""

    video: Path
    caption: str
    bucket: str | None = None


def read_ltx(folder: Path) -> list[Sample]:
    """As `process_dataset.py`: a JSONL file with the columns video and caption, paths seen from its folder."""
    roles = {"video", "audio", "reference_video", "reference_audio", "video_mask", "audio_mask", "caption"}
    lines = [json.loads(line) for line in (folder / "metadata.jsonl").open(encoding="utf-8")]
    assert all(line.keys() & roles == {"video", "caption"} for line in lines), "it would take another for a role"
    return [Sample(folder / line["video"].strip(), line["caption"]) for line in lines]


def read_finetrainers(folder: Path) -> list[Sample]:
    """As `initialize_dataset`: it prefers metadata, then tar and Parquet files, then pairs, to lists."""
    assert not [*folder.glob("metadata.*")], "it would be a VideoFolderDataset"
    assert not [path for path in folder.rglob("*") if path.suffix in (".tar", ".parquet")], "a VideoWebDataset"
    assert not [path for path in folder.glob("*.txt") if path.with_suffix(".mp4").exists()], "a …FilePairDataset"
    names = ("prompt.txt", "prompts.txt", "caption.txt", "captions.txt"), ("video.txt", "videos.txt")
    captions, videos = ([folder / name for name in some if (folder / name).exists()] for some in names)
    (caption_file,), (video_file,) = captions, videos
    texts, paths = caption_file.read_text().splitlines(), video_file.read_text().splitlines()
    assert len(texts) == len(paths)
    (dataset,) = json.loads((folder / "training.json").read_text())["datasets"]
    assert dataset["dataset_type"] == "video"
    assert all(len(bucket) == 3 for bucket in dataset["video_resolution_buckets"])
    return [Sample(folder / path, text) for path, text in zip(paths, texts, strict=True)]


def read_pairs(folder: Path, bucket: str) -> list[Sample]:
    """All videos of a folder, not of those within, with the texts of the same name."""
    videos = sorted(path for path in folder.glob("*") if path.is_file() and path.suffix != ".txt")
    assert videos, "diffusion-pipe stops at a folder without any"
    return [Sample(video, video.with_suffix(".txt").read_text(encoding="utf-8").strip(), bucket) for video in videos]


def read_diffusion_pipe(folder: Path) -> list[Sample]:
    found = []
    for directory in tables(folder, "directory"):
        (size,) = directory["size_buckets"]
        found += read_pairs(folder / directory["path"], "x".join(map(str, size)))
    return found


def read_musubi(folder: Path) -> list[Sample]:
    """Texts end in `caption_extension`; no two datasets share a cache."""
    found = []
    datasets = tables(folder, "datasets")
    assert len({dataset["cache_directory"] for dataset in datasets}) == len(datasets)
    for dataset in datasets:
        (frames,) = dataset["target_frames"]
        found += read_pairs(folder / dataset["video_directory"], "x".join(map(str, [*dataset["resolution"], frames])))
    return found


def tables(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((folder / "dataset.toml").read_text())[name]
    return found


READERS = {
    "ltx": read_ltx,
    "finetrainers": read_finetrainers,
    "diffusion_pipe": read_diffusion_pipe,
    "musubi": read_musubi,
}
