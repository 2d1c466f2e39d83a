"""Captions held against the frames of their clips: the mean cosine, rows that lack one, and the report's lowest."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.described import FINE, made_run, run_stage, table
from support.frame_models import save_clip, save_siglip, save_tokenizer
from support.runs import command
from support.steps import finish, made_step

from stages.core.frames.text_encoder import TextEncoder
from stages.core.models.device import find_device

TEXTS = {"c0": "w5 w6 w7.", "c1": " ".join(f"w{3 + n % 90}" for n in range(150)) + ".", "c2": "w9.", "c3": " "}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_siglip(tmp_path_factory.mktemp("models") / "siglip")
    save_tokenizer(folder, "siglip")
    return folder


@pytest.fixture(scope="module")
def encoder(model: Path) -> TextEncoder:
    return TextEncoder(model, str(model), "embed", find_device("float32", gpus=0))


@pytest.fixture
def run(tmp_path: Path, encoder: TextEncoder) -> Path:
    """Clips with captions and embeddings of their frames: those of c0 are the text's own vector; c2 has none."""
    place = made_run(tmp_path / "r", {"a": "/none"}, [(clip, "a", 0.0, 2.0) for clip in TEXTS])
    fine = {name: pl.lit(None, pl.String) for name in FINE}
    keys = {"clip_id": "String", "video_id": "String"}
    caption = made_step(
        place, "caption", stage="caption", n=1, inputs=["split"], aligned=True, keys=[*keys],
        gives={**keys, "raw_caption": "String", **dict.fromkeys(FINE, "String")},
    )  # fmt: skip
    rows = pl.DataFrame({"clip_id": [*TEXTS], "video_id": "a", "raw_caption": [*TEXTS.values()]})
    finish(caption, 0, rows.with_columns(**fine))
    chance = np.random.default_rng(1)
    own = encoder.embed([TEXTS["c0"]], 1)[0][0]
    vectors = {"c0": [own, own], "c1": [*chance.normal(size=(3, 32))], "c3": [own]}
    frames = [
        (f"{clip}_f{n}", clip, "a", (vector / np.linalg.norm(vector)).tolist(), [f"embed {encoder.name}"])
        for clip, several in vectors.items()
        for n, vector in enumerate(several)
    ]
    schema: dict[str, Any] = {
        "frame_id": pl.String, "clip_id": pl.String, "video_id": pl.String, "embedding": pl.List(pl.Float16),
        "models": pl.List(pl.String),
    }  # fmt: skip
    scores = made_step(
        place, "score_frames", stage="score_frames", n=1, inputs=["split"], aligned=True, keys=["frame_id", *keys],
        item_keys=[*keys],
        gives={**{name: str(kind) for name, kind in schema.items()}, **dict.fromkeys(FINE, "String")},
    )  # fmt: skip
    finish(scores, 0, pl.DataFrame(frames, schema, orient="row").with_columns(**fine))
    return place


WORDS = ["cluster.executor=debug", "chunks.max_error_share=1"]


def test_each_caption_has_its_mean_cosine_and_the_lowest_are_in_the_report(
    run: Path, encoder: TextEncoder, model: Path
) -> None:
    found = run_stage("match_captions", run, f"embed.model={model}", *WORDS)
    assert found["c0"]["caption_match"] == pytest.approx(1, abs=1e-3)
    assert (found["c0"]["match_frames"], found["c0"]["match_pieces"]) == (2, 1)
    frames = table(run, "score_frames").filter(pl.col("clip_id") == "c1")["embedding"].to_list()
    vector = encoder.embed([TEXTS["c1"]], 8)[0][0]
    assert found["c1"]["caption_match"] == pytest.approx(np.mean([np.dot(frame, vector) for frame in frames]), abs=1e-4)
    assert (found["c1"]["match_frames"], found["c1"]["match_pieces"]) == (3, 4)
    assert (found["c2"]["error"], found["c3"]["error"]) == ("no_frames", "no_words")
    assert found["c0"]["match_model"] == encoder.name
    done = command("stages.report", "run=r", f"runs={run.parent}", "cluster.executor=debug")
    assert done.returncode == 0, done.stderr
    page = (run / "report" / "report.html").read_text().partition("Captions that fit their frames least")[2]
    lowest, highest = page.index("w3 w4 w5"), page.index("w5 w6 w7.")
    assert lowest < highest
    assert f"{found['c1']['caption_match']:.3f}" in page[lowest:highest]


def test_vectors_of_another_model_are_refused_with_the_key(run: Path, encoder: TextEncoder, tmp_path: Path) -> None:
    other = save_clip(tmp_path / "other")
    save_tokenizer(other, "clip")
    done = command("stages.match_captions", "run=r", f"runs={run.parent}", f"embed.model={other}", *WORDS)
    assert done.returncode == 1, done.stdout
    assert f"embed.model: the frames were embedded by {encoder.name}, and the texts by other@" in done.stdout


def test_what_it_lacks_is_told_with_what_mends_it(run: Path, model: Path) -> None:
    for words, said in {
        "after=caption": "let score_frames with scorers=[embed] come before it: after=[caption,score_frames]",
        "column=none": "(column) needs 'none'",
        f"embed.model={model}/none": "there is no such folder",
    }.items():
        done = command("stages.match_captions", "run=r", f"runs={run.parent}", f"embed.model={model}", words)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
