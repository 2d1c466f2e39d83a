"""Frames are scored in batches as their models score them one by one, each JPEG read and decoded once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from support.frame_models import SIZE, encode, job_of, jpegs, picture
from transformers import (
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipImageProcessorPil,
    SiglipVisionModel,
    ViTForImageClassification,
    ViTImageProcessorPil,
)

from slurm.record.files import write_table
from stages.core.frames.aesthetic import load_head
from stages.core.frames.one_pass import load_once, look_at
from stages.core.frames.pictures import open_picture
from stages.core.frames.scorers import load_scorers
from stages.core.frames.settings import Name, Settings
from stages.core.frames.watermark import VIEW, WatermarkNet
from stages.core.models.device import find_device

SAME = 1e-4


def scored(folder: Path, pictures: Sequence[bytes | None], settings: Settings, rows: Sequence[int]) -> list[Any]:
    file = folder / "frames.parquet"
    write_table(file, pl.DataFrame({"time_s": range(len(pictures)), "jpeg": pictures}))
    tables = look_at(job_of(file, rows), load_scorers, settings, 2, 0)
    return list(cast(Sequence[Mapping[str, Any]], tables["frames"]))


@pytest.fixture(scope="module")
def alone(models: Path) -> Callable[[Image.Image], dict[str, float]]:
    """The scores of one picture by the models' own processors and forwards."""
    clip, siglip = CLIPModel.from_pretrained(models / "clip"), SiglipVisionModel.from_pretrained(models / "siglip")
    vit = ViTForImageClassification.from_pretrained(models / "nsfw")
    net = WatermarkNet(models / "watermark.pt", "", find_device("auto", gpus=0))
    factors, offset = load_head(models / "head.pth", SIZE, "")
    processors = {
        name: kind.from_pretrained(models / name)
        for name, kind in {
            "clip": CLIPImageProcessorPil, "siglip": SiglipImageProcessorPil, "nsfw": ViTImageProcessorPil
        }.items()
    }  # fmt: skip
    unit = torch.nn.functional.normalize

    def score(shown: Image.Image) -> dict[str, float]:
        with torch.inference_mode():
            given = {name: processor(shown, return_tensors="pt") for name, processor in processors.items()}
            vector = unit(clip.get_image_features(**given["clip"]).pooler_output, dim=1)[0].numpy()
            nsfw = vit(**given["nsfw"]).logits.softmax(1)[0, 1]
            mark = net.run(net.load([VIEW.fit(shown)]))
            near = [
                unit(siglip(**processors["siglip"](one, return_tensors="pt")).pooler_output, dim=1)
                for one in (shown, picture(5), picture(6))
            ]
        return {
            "aesthetic": float(vector @ factors + offset),
            "watermark": float(mark[0, 0]),
            "nsfw": float(nsfw),
            "similarity": float(max(near[0] @ near[1].T, near[0] @ near[2].T)),
            "first": float(vector[0]),
        }

    return score


def test_batches_give_what_each_model_gives_alone(
    tmp_path: Path, settings: Settings, alone: Callable[[Image.Image], dict[str, float]]
) -> None:
    pictures = jpegs(11)
    found = scored(tmp_path, pictures, settings, range(11))
    for row, jpeg in zip(found, pictures, strict=True):
        wanted = alone(open_picture(jpeg))
        assert {name: row[name] for name in wanted if name in row} == pytest.approx(
            {name: value for name, value in wanted.items() if name in row}, abs=SAME
        )
        assert row["embedding"][0] == pytest.approx(wanted["first"], abs=1e-3), "float16"
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_neither_the_batch_nor_the_order_matters(tmp_path: Path, settings: Settings, batch: int) -> None:
    pictures, rows = jpegs(70, seed=7), [*range(40, 70), *range(0, 40, 3)]
    names: tuple[Name, ...] = ("aesthetic", "nsfw", "similarity")
    light = replace(settings, scorers=names)
    wanted = scored(tmp_path, pictures, light, range(70))
    found = scored(tmp_path, pictures, replace(light, batch=batch), rows)
    for row, place in zip(found, rows, strict=True):
        assert [row[name] for name in names] == pytest.approx([wanted[place][name] for name in names], abs=SAME)
        assert row["similar_to"] == wanted[place]["similar_to"]


def test_half_precision_is_that_of_the_models_and_their_inputs(tmp_path: Path, settings: Settings) -> None:
    names: tuple[Name, ...] = ("aesthetic", "nsfw", "similarity")
    exact = replace(settings, scorers=names)
    half = replace(exact, dtype="bfloat16")
    assert {
        p.dtype for net in load_once(load_scorers, half, 2, 0).nets for p in cast(Any, net).module.parameters()
    } == {torch.bfloat16}
    wanted, found = (scored(tmp_path, jpegs(4), asked, range(4)) for asked in (exact, half))
    for near, row in zip(wanted, found, strict=True):
        assert [row[name] for name in names] == pytest.approx([near[name] for name in names], abs=0.03)
        assert [row[name] for name in names] != [near[name] for name in names]


def test_the_reference_itself_is_as_near_as_can_be(tmp_path: Path, settings: Settings) -> None:
    (row,) = scored(tmp_path, [encode(picture(6), "PNG")], replace(settings, scorers=("similarity",)), [0])
    assert row["similarity"] == pytest.approx(1, abs=1e-5)
    assert row["similar_to"] == "6.png"
    assert "aesthetic" not in row


def test_a_frame_that_cannot_be_read_costs_no_other(tmp_path: Path, settings: Settings) -> None:
    good = jpegs(3)
    found = scored(tmp_path, [good[0], b"torn", None, good[1][: len(good[1]) // 2], good[2]], settings, range(5))
    assert [row.get("error") for row in found] == [None, "corrupt", "missing", "corrupt", None]
    wanted = scored(tmp_path, good, settings, range(3))
    assert found[0]["aesthetic"] == pytest.approx(wanted[0]["aesthetic"], abs=SAME)
    assert found[4]["nsfw"] == pytest.approx(wanted[2]["nsfw"], abs=SAME)


def test_scorers_that_look_through_the_same_net_share_its_run(tmp_path: Path, settings: Settings) -> None:
    both = replace(settings, scorers=("aesthetic", "embed"))
    loaded = load_once(load_scorers, both, 2, 0)
    assert len(loaded.nets) == 1
    assert len(load_once(load_scorers, settings, 2, 0).nets) == 4
    assert {"aesthetic", "embedding"} <= set(scored(tmp_path, jpegs(1), both, [0])[0])


def test_rows_name_the_models_without_a_path_of_this_machine(tmp_path: Path, models: Path, settings: Settings) -> None:
    (row,) = scored(tmp_path, jpegs(1), settings, [0])
    assert [name.partition(" ")[0] for name in row["models"]] == list(settings.scorers)
    assert [name.partition("@")[0] for name in row["models"]] == [
        "aesthetic clip", "watermark watermark.pt", "nsfw nsfw", "similarity siglip", "embed clip"
    ]  # fmt: skip
    assert not any("/" in name for name in row["models"])


def test_what_was_read_and_computed_is_counted(tmp_path: Path, settings: Settings) -> None:
    pictures = jpegs(5)
    file = tmp_path / "f.parquet"
    write_table(file, pl.DataFrame({"jpeg": pictures}))
    tables = look_at(job_of(file, [0, 1, 4]), load_scorers, settings, 2, 0)
    (counted,) = cast(Sequence[Mapping[str, float]], tables["counters"])
    assert counted["pictures"] == 3
    assert counted["bytes_read"] == sum(len(pictures[n]) for n in (0, 1, 4))
    assert counted["model_s"] > 0
