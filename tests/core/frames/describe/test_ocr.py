"""Texts in pictures, by the real weights that a package brings."""

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

pytest.importorskip("rapidocr", reason="make models brings it")

from stages.core.frames.describe.describers import texts_of
from stages.core.frames.describe.ocr import OcrNet


def test_a_text_is_read_with_its_place_and_the_share_that_it_covers() -> None:
    shown = Image.new("RGB", (512, 288), (40, 90, 60))
    ImageDraw.Draw(shown).text((30, 200), "BREAKING NEWS", font=ImageFont.load_default(40), fill="white")
    left, top, right, bottom = shown.convert("L").point(lambda value: 255 * (value > 150)).getbbox() or (0, 0, 0, 0)
    net = OcrNet(1, 0.75)
    blank = Image.new("RGB", (64, 64), (40, 90, 60))
    found: Any = texts_of(net.run(net.load([net.prepare(shown), net.prepare(blank)])))
    assert (found["width_px"], found["height_px"]) == ([512, 64], [288, 64])
    ((text,), nothing) = found["texts"]
    assert (text["text"], nothing) == ("BREAKING NEWS", [])
    assert text["confidence"] > 0.9
    assert text["corners"][:2] == pytest.approx([left, top], abs=12)
    assert text["corners"][4:6] == pytest.approx([right, bottom], abs=12)
    left, top, _, _, right, bottom, _, _ = text["corners"]
    assert found["text_area"] == [pytest.approx((right - left) * (bottom - top) / (512 * 288), rel=0.05), 0]
    assert net.name == "rapidocr==3.10.0"


def test_what_it_is_not_sure_of_is_no_text() -> None:
    shown = Image.new("RGB", (512, 288), (40, 90, 60))
    ImageDraw.Draw(shown).text((30, 200), "half hidden", font=ImageFont.load_default(40), fill=(160, 210, 180))
    shown = shown.filter(ImageFilter.GaussianBlur(3))
    (unsure,) = OcrNet(1, 0.1).run([np.asarray(shown)])[0][0]
    confidence = unsure["confidence"]
    assert isinstance(confidence, float)
    assert OcrNet(1, min(1.0, confidence + 0.001)).run([np.asarray(shown)])[0][0] == []
