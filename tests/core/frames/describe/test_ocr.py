"""Texts in pictures, by the real weights that a package brings."""

from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

pytest.importorskip("rapidocr", reason="make models brings it")

from stages.core.frames.describe.describers import texts_of
from stages.core.frames.describe.ocr import OcrNet


def test_a_text_is_read_with_its_place_and_the_share_that_it_covers() -> None:
    shown = Image.new("RGB", (512, 288), (40, 90, 60))
    ImageDraw.Draw(shown).text((30, 200), "BREAKING NEWS", font=ImageFont.load_default(40), fill="white")
    left, top, right, bottom = shown.convert("L").point(lambda value: 255 * (value > 150)).getbbox() or (0, 0, 0, 0)
    net = OcrNet(1)
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
