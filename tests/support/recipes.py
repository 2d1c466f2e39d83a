"""Tiny corpora for whole recipes, and the words by which a recipe takes one."""

import json
from pathlib import Path

import polars as pl
from support.florence import save_florence
from support.frame_models import save_classifier, save_clip, save_head, save_watermark
from support.numbered import X264, ffmpeg
from support.pools import MODEL
from support.web import Web
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from slurm.pool.engine import Remote

COLUMNS = ("key", "video_id", "url", "dataset_src", "total score", "span", "video_time", "raw_caption", "orig_caption")
SPANS = (("0:00:00.400", "0:00:02.400"), ("0:00:03.000", "0:00:05.600"), ("0:09:03.000", "0:09:05.600"))


def make_film(path: Path) -> Path:
    """8 seconds with a cut at 4.0 s."""
    scenes = "testsrc2=s=192x108:r=25:d=4[a];mandelbrot=s=192x108:r=25,trim=duration=4,setpts=PTS-STARTPTS[b];[a][b]"
    ffmpeg("-filter_complex", f"{scenes}concat=n=2", "-pix_fmt", "yuv420p", *X264, path)
    return path


def asked(server: Remote, *steps: str) -> list[str]:
    """The words by which these steps ask a server."""
    words = (f"engine.url={server.url}", "engine=endpoint", "engine.dialect=tgi", f"pool.model={MODEL}")
    return [f"steps.{step}.{word}" for step in steps for word in words]


def lvd2m(folder: Path, film: Path, web: Web, server: Remote) -> list[str]:
    """A list of three spans: one whole, one with a cut inside, one that is not in the film."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        (f"one_{n}", "one", web.url(film.name), "panda70m", 1.5, str([*span]), 2.0, "Caption 1: old", "first")
        for n, span in enumerate(SPANS)
    ]
    listed = folder / "list.csv"
    pl.DataFrame(rows, COLUMNS, orient="row").write_csv(listed)
    writing = ("caption", "refine", "rewrite")
    return [
        "lvd2m", "source=lvd2m", f"input.path={listed}", *asked(server, *writing),
        *(f"steps.{step}.language=null" for step in writing), "steps.filter.rules.length.min=1", "steps.split.min_s=1",
        f"steps.rewrite.encoder.model={make_encoder(folder / 'encoder')}",
    ]  # fmt: skip


def make_encoder(folder: Path) -> Path:
    """The tokenizer of a text encoder, to which every word is one token."""
    folder.mkdir(exist_ok=True)
    made = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "config.json").write_text("{}")
    return folder


def finevideo(folder: Path, film: Path, labeller: Remote, annotator: Remote, videos: int = 2) -> list[str]:
    """A folder of the film, so many times, with what its site says of each."""
    folder.mkdir(parents=True)
    about = {"title": "A film", "channel": "Ann", "categories": ["Education"], "view_count": 7, "age_limit": 0}
    for name in ("one", "two", "three")[:videos]:
        (folder / f"{name}.mp4").write_bytes(film.read_bytes())
        (folder / f"{name}.info.json").write_text(json.dumps({**about, "id": name}))
    return [
        "finevideo", "source=folder", f"input.path={folder}", *asked(labeller, "categorize"),
        *asked(annotator, "describe", "annotate"), "steps.categorize.pool.name=labels",
        "~steps.dynamic.rules.words", "~steps.dynamic.rules.speech",
    ]  # fmt: skip


def video_dataset_scripts(folder: Path, film: Path) -> list[str]:
    """A folder of the film, models with random weights, and a rule for watermarks that all frames pass."""
    videos, models = folder / "videos", folder / "models"
    for place in (videos, models):
        place.mkdir(parents=True)
    (videos / film.name).write_bytes(film.read_bytes())
    values = {
        "score_frames.aesthetic.model": save_clip(models / "clip"),
        "score_frames.aesthetic.head": save_head(models / "head.pth"),
        "score_frames.watermark.weights": save_watermark(models / "watermark.pt"),
        "score_frames.nsfw.model": save_classifier(models / "nsfw"),
        "describe_frames.florence.model": save_florence(models / "florence"),
        "describe_frames.florence.max_tokens": 12,
        "filter.rules.watermark.max": 1,
        "trainer.format.caption_prefix": "DIFF_crush",
    }
    own = [f"steps.{key}={value}" for key, value in values.items()]
    return ["video_dataset_scripts", f"input.path={videos}", *own]
