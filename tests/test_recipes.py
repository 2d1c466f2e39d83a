"""Recipes, whole, over a tiny corpus: the release is what the list was, with what the models say now."""

import json
from pathlib import Path

import polars as pl
import pytest
from support.annotator import started
from support.numbered import X264, ffmpeg
from support.pools import MODEL, model_server
from support.runs import command
from support.web import Web
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from slurm.pool.engine import Remote
from slurm.table import read_table

NAMES = ("key", "video_id", "url", "dataset_src", "total score", "span", "video_time", "raw_caption", "orig_caption")
SPANS = (("0:00:00.400", "0:00:02.400"), ("0:00:03.000", "0:00:05.600"), ("0:09:03.000", "0:09:05.600"))


def asked(server: Remote) -> tuple[str, ...]:
    return f"engine.url={server.url}", "engine=endpoint", "engine.dialect=tgi", f"pool.model={MODEL}"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """8 seconds with a cut at 4.0 s."""
    scenes = "testsrc2=s=192x108:r=25:d=4[a];mandelbrot=s=192x108:r=25,trim=duration=4,setpts=PTS-STARTPTS[b];[a][b]"
    ffmpeg("-filter_complex", f"{scenes}concat=n=2", "-pix_fmt", "yuv420p", *X264, tmp_path / "one.mp4")
    return tmp_path / "one.mp4"


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    folder = tmp_path / "encoder"
    folder.mkdir()
    made = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "config.json").write_text("{}")
    return folder


def test_lvd2m_describes_its_clips_anew_and_gives_its_own_columns(tmp_path: Path, film: Path, encoder: Path) -> None:
    with Web(film.parent) as web, model_server() as server:
        rows = [
            (f"one_{n}", "one", web.url("one.mp4"), "panda70m", 1.5, str([*span]), 2.0, "Caption 1: old", "first")
            for n, span in enumerate(SPANS)
        ]
        listed = tmp_path / "list.csv"
        pl.DataFrame(rows, NAMES, orient="row").write_csv(listed)
        words = (*asked(server), "language=null")
        of_steps = [f"steps.{step}.{word}" for step in ("caption", "refine", "rewrite") for word in words]
        rules = ("steps.filter.rules.length.min=1", "steps.filter.rules.flow.min=0", "steps.split.min_s=1")
        done = command(
            "stages", "lvd2m", "run=r", f"runs={tmp_path}", "source=lvd2m", f"input.path={listed}", *of_steps, *rules,
            f"steps.rewrite.encoder.model={encoder}", "cluster.executor=debug",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    clips = read_table(tmp_path / "r", "split").collect()
    assert clips.select("clip_id", "start_s", "end_s", "border_inside", "drop_reason").rows() == [
        ("one_0", 0.4, 2.4, False, None),
        ("one_1", 4.0, 5.6, True, None),
        ("one_2", 8.0, 8.0, False, "outside"),
    ]
    (file,) = (tmp_path / "r" / "package" / "media").rglob("*.csv")
    released = pl.read_csv(file)
    assert released.select("key", "span", "orig_caption").rows() == [
        ("one_0", str([*SPANS[0]]), "first"),
        ("one_1", str(["0:00:04.000", "0:00:05.600"]), "first"),
    ]
    assert released["raw_caption"].to_list() == released["rewritten_caption"].to_list() == ["seconds."] * 2
    flows = read_table(tmp_path / "r", "motion_flow").collect()["flow"].to_list()
    assert released["total score"].to_list() == pytest.approx(flows[:2])


def test_finevideo_annotates_what_it_chose_and_gives_its_own_fields(tmp_path: Path, film: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    about = {"title": "A film", "channel": "Ann", "categories": ["Education"], "view_count": 7, "age_limit": 0}
    for name in ("one", "two"):
        (videos / f"{name}.mp4").write_bytes(film.read_bytes())
        (videos / f"{name}.info.json").write_text(json.dumps({**about, "id": name}))
    with model_server() as labeller, started() as annotator:
        of_steps = [
            f"steps.{step}.{word}"
            for step, server in (("categorize", labeller), ("describe", annotator), ("annotate", annotator))
            for word in asked(server)
        ]
        silent = ("~steps.dynamic.rules.words", "~steps.dynamic.rules.speech")
        done = command(
            "stages", "finevideo", "run=r", f"runs={tmp_path}", "source=folder", f"input.path={videos}", *of_steps,
            *silent, "steps.balance.hours=0.0023", "steps.categorize.pool.name=labels", "cluster.executor=debug",
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (tmp_path / "r" / "package" / "media" / "data").rglob("*.parquet")
    (row,) = pl.read_parquet(file).to_dicts()
    assert row["mp4"] == film.read_bytes()
    known = row["json"]
    assert (known["youtube_title"], known["youtube_categories"], known["resolution"]) == (
        "A film",
        ["Education"],
        "192x108",
    )
    scenes = known["content_metadata"]["scenes"]
    assert [scene["timestamps"]["start_timestamp"] for scene in scenes] == ["00:00:00.000", "00:00:04.000"]
    assert known["content_fine_category"]
