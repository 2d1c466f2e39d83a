"""Florence-2 answers a batch of pictures as it answers each alone, and looks at each picture once for all tasks."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from support.florence import make_tokenizer, save_florence, stage_settings
from support.frame_models import picture
from transformers import CLIPImageProcessorPil, Florence2ForConditionalGeneration, Florence2Processor

from stages.core.frames.describe.florence import PROMPTS, Answers, FlorenceNet
from stages.core.frames.describe.settings import Florence, Task
from stages.core.models.device import Device, find_device
from stages.core.models.hub import UnloadableError

TASKS: tuple[Task, ...] = ("caption", "detailed_caption", "dense_region_caption", "ocr_with_region")
PROMPTED = {"caption": "<CAPTION>", "dense_region_caption": "<DENSE_REGION_CAPTION>", "color": "<COLOR>"}
SIZES = [(100, 80), (64, 64), (30, 200), (500, 281), (7, 5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_florence(tmp_path_factory.mktemp("florence") / "tiny")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [picture(seed, *size) for seed, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def device() -> Device:
    return find_device("float32", gpus=0)


def own(folder: Path, **more: Any) -> Florence:
    return replace(stage_settings().florence, model=str(folder), **{"max_tokens": 16, **more})


def answers(net: FlorenceNet, pictures: Sequence[Image.Image]) -> list[Answers]:
    return net.run(net.load([net.prepare(one) for one in pictures]))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_is_answered_as_each_picture_alone(
    folder: Path, pictures: list[Image.Image], device: Device, beams: int
) -> None:
    net = FlorenceNet(own(folder, beams=beams), list(PROMPTS), device)
    together = answers(net, pictures)
    assert together == [answers(net, [one])[0] for one in pictures]
    assert len({str(one.tasks) for one in together}) > 2, "answers depend on the picture"
    assert [(one.width_px, one.height_px) for one in together] == SIZES


def test_answers_are_those_of_transformers_own_processor_and_model(
    folder: Path, pictures: list[Image.Image], device: Device
) -> None:
    net = FlorenceNet(own(folder), ["caption", "dense_region_caption", "color"], device)
    module = Florence2ForConditionalGeneration.from_pretrained(folder).eval()
    module.generation_config.forced_eos_token_id = None
    tokenizer = make_tokenizer()
    tokenizer.image_token, tokenizer.image_token_id = "<image>", tokenizer.convert_tokens_to_ids("<image>")
    images = CLIPImageProcessorPil.from_pretrained(folder)
    processor = Florence2Processor(images, tokenizer, post_processor_config={})
    for shown, found in zip(pictures, answers(net, pictures), strict=True):
        for task, answer in found.tasks.items():
            inputs = processor(text=PROMPTED[task], images=shown, return_tensors="pt")
            wanted = str(tokenizer.decode(module.generate(**inputs, max_new_tokens=16)[0]))
            ours = "".join(part.text + "".join(f"<loc_{p}>" for p in part.places) for part in answer.parts)
            assert ours == re.sub("</?s>|<pad>|<unk>", "", wanted)


def test_the_vision_tower_looks_at_a_picture_once_for_four_tasks(
    folder: Path, pictures: list[Image.Image], device: Device
) -> None:
    net = FlorenceNet(own(folder), TASKS, device)
    looked: list[int] = []
    net.module.model.vision_tower.register_forward_hook(lambda module, given, found: looked.append(len(given[0])))
    (found,) = answers(net, pictures[:1])
    assert list(found.tasks) == list(TASKS)
    assert looked == [1]
    answers(net, pictures)
    assert looked == [1, 5]


def test_an_answer_that_runs_into_its_limit_is_told_and_one_that_ends_is_not(
    folder: Path, pictures: list[Image.Image], device: Device
) -> None:
    net = FlorenceNet(own(folder, beams=1), ["caption"], device)
    before = [one.tasks["caption"] for one in answers(net, pictures)]
    assert all(answer.cut_short for answer in before), "random weights do not stop by themselves"
    place = next(part.places[-1] for answer in before for part in answer.parts[:-1] if part.places)
    net.end = net.module.generation_config.eos_token_id = net.first_place + place  # so they stop there
    after = [one.tasks["caption"] for one in answers(net, pictures)]
    for was, now in zip(before, after, strict=True):
        places = [p for part in was.parts for p in part.places]
        assert now.cut_short == (place not in places)
        upto = places.index(place) if place in places else len(places)
        assert [p for part in now.parts for p in part.places] == places[:upto]
    assert not all(answer.cut_short for answer in after)


def test_tokens_that_only_fill_a_batch_are_in_no_answer(folder: Path, device: Device) -> None:
    net = FlorenceNet(own(folder), ["caption"], device)
    words = net.tokenizer("a green car", add_special_tokens=False).input_ids
    place = net.first_place
    answer = net._read([2, 0, *words, place + 7, place + 999, *words, 2, 1, 1, 1])
    assert answer.text == "a green cara green car"
    assert [part.places for part in answer.parts] == [[7, 999], []]
    assert not answer.cut_short
    assert net._read([2, 0, *words]).cut_short


def as_microsofts(name: str) -> str:
    """The name of a weight in Microsoft's own code."""
    for ours, theirs in (
        (r"^model\.multi_modal_projector\.image_projection\.weight$", "image_projection"),
        (r"^model\.multi_modal_projector\.image_proj_norm", "image_proj_norm"),
        (r"^model\.multi_modal_projector\.image_position_embed", "image_pos_embed"),
        (r"^model\.multi_modal_projector\.visual_temporal_embed", "visual_temporal_embed"),
        (r"^model\.language_model", "language_model.model"),
        (r"^lm_head", "language_model.lm_head"),
        (r"^model\.vision_tower\.convs\.(\d)\.conv", r"vision_tower.convs.\1.proj"),
        (r"^model\.vision_tower", "vision_tower"),
        (r"_block\.conv(\d)\.", r"_block.conv\1.fn.dw."),
        (r"spatial_block\.norm1", "spatial_block.window_attn.norm"),
        (r"channel_block\.norm1", "channel_block.channel_attn.norm"),
        (r"_block\.norm2", "_block.ffn.norm"),
        (r"_attn\.(qkv|proj)", r"_attn.fn.\1"),
        (r"\.ffn\.fc", ".ffn.fn.net.fc"),
    ):
        name = re.sub(ours, theirs, name)
    return name


@pytest.fixture
def microsofts(folder: Path, tmp_path: Path) -> Path:
    """The same model in the layout of Microsoft's code, its tokenizer without places."""
    config = json.loads((folder / "config.json").read_text())
    vision = config["vision_config"]
    vision["dim_embed"] = vision.pop("embed_dim")
    vision["visual_temporal_embedding"] = {
        "type": "COSINE",
        "max_temporal_embeddings": vision.pop("max_temporal_embeddings"),
    }
    vision["image_pos_embed"] = {"type": "learned_abs_2d", "max_pos_embeddings": vision.pop("max_position_embeddings")}
    vision["model_type"], config["text_config"]["model_type"] = "davit", "florence2_language"
    config["auto_map"] = {"AutoConfig": "configuration_florence2.Florence2Config"}
    out = tmp_path / "microsofts"
    make_tokenizer(places=False).save_pretrained(out)
    (out / "config.json").write_text(json.dumps(config))
    for name in ("generation_config.json", "preprocessor_config.json"):
        (out / name).write_bytes((folder / name).read_bytes())
    weights = {as_microsofts(name): value for name, value in load_file(folder / "model.safetensors").items()}
    weights["image_projection"] = weights["image_projection"].T.contiguous()
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_a_model_in_microsofts_layout_answers_the_same(
    folder: Path, microsofts: Path, pictures: list[Image.Image], device: Device
) -> None:
    names = load_file(microsofts / "model.safetensors")
    assert "vision_tower.blocks.2.0.channel_block.channel_attn.fn.qkv.weight" in names
    assert "language_model.model.encoder.layers.0.fc1.weight" in names
    wanted = answers(FlorenceNet(own(folder), TASKS, device), pictures)
    net = FlorenceNet(own(microsofts), TASKS, device)
    assert answers(net, pictures) == wanted
    assert net.name.startswith("microsofts@")


def test_a_checkpoint_that_lacks_a_weight_or_is_none_is_refused(
    microsofts: Path, tmp_path: Path, device: Device
) -> None:
    weights = load_file(microsofts / "model.safetensors")
    del weights["vision_tower.blocks.0.0.spatial_block.conv1.fn.dw.weight"]
    save_file(weights, microsofts / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnloadableError, match=r"florence\.model=.*1 weights .* are not in its files"):
        FlorenceNet(own(microsofts), TASKS, device)
    (microsofts / "model.safetensors").unlink()
    with pytest.raises(UnloadableError, match=r"it has no \*\.safetensors"):
        FlorenceNet(own(microsofts), TASKS, device)
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnloadableError, match="it is a bert, not a florence2"):
        FlorenceNet(own(tmp_path / "bert"), TASKS, device)
