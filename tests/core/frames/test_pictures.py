"""Pictures reach a model as its own image processor would bring them there, whatever kind of file they are."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.frame_models import encode, picture
from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil, ViTImageProcessorPil

from slurm.errors import ItemError
from stages.core.frames.pictures import open_picture, view_of

PROCESSORS = [
    CLIPImageProcessorPil(),
    CLIPImageProcessorPil(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 40}),
    SiglipImageProcessorPil(),
    ViTImageProcessorPil(),
]


@pytest.mark.parametrize("size", [(512, 288), (288, 512), (224, 224), (513, 217), (60, 300), (30, 20)])
@pytest.mark.parametrize("number", range(len(PROCESSORS)))
def test_a_picture_is_fitted_as_the_models_own_processor_does_it(number: int, size: tuple[int, int]) -> None:
    processor, shown = PROCESSORS[number], picture(1, *size)
    view = view_of(processor.to_dict())
    wanted = np.asarray(processor(shown, return_tensors="np")["pixel_values"][0])
    mean, std = (np.reshape(values, (3, 1, 1)) for values in (view.mean, view.std))
    assert np.abs((view.fit(shown) / 255 - mean) / std - wanted).max() < 1e-5


def test_what_asks_for_pictures_of_different_sizes_is_refused() -> None:
    config = {"size": {"shortest_edge": 224}, "do_center_crop": False, "image_mean": [0] * 3, "image_std": [1] * 3}
    with pytest.raises(ValueError, match="differ in size"):
        view_of(config)


def test_grey_cmyk_and_palette_pictures_show_what_they_show() -> None:
    shown = picture(2)
    for mode, error in (("L", 6), ("CMYK", 8), ("P", 40)):
        kind = "PNG" if mode == "P" else "JPEG"
        opened = open_picture(encode(shown.convert(mode), kind, **({} if mode == "P" else {"quality": 95})))
        assert opened.mode == "RGB"
        wanted = np.asarray(shown.convert("L").convert("RGB") if mode == "L" else shown, dtype=int)
        assert np.abs(np.asarray(opened, dtype=int) - wanted).mean() < error


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    file = BytesIO()
    Image.fromarray(values).save(file, "PNG")
    opened = np.asarray(open_picture(file.getvalue()))
    assert np.abs(opened[:, :, 0] - values / 257).max() <= 0.5


def test_a_picture_that_was_taken_sideways_is_turned_upright() -> None:
    shown = picture(3, 120, 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to view
    opened = open_picture(encode(shown.rotate(90, expand=True), quality=95, exif=exif.tobytes()))
    assert opened.size == (120, 40)
    assert np.abs(np.asarray(opened, dtype=int) - np.asarray(shown, dtype=int)).mean() < 12


@pytest.mark.parametrize("keep", [0, 1, 20, 300, 2000])
def test_a_torn_or_foreign_file_is_corrupt(keep: int) -> None:
    with pytest.raises(ItemError) as caught:
        open_picture(encode(picture(4, 300, 300), quality=95)[:keep])
    assert caught.value.code == "corrupt"
    with pytest.raises(ItemError, match="not a picture"):
        open_picture(b"<html>not here</html>")


def test_a_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ItemError) as caught:
        open_picture(tmp_path / "gone.jpg")
    assert caught.value.code == "missing"
