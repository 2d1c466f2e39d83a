"""Texts that differ only in case, spaces, digits and punctuation are one text; others are not."""

import polars as pl
import pytest

from stages.core.text.alarms.fold import folded, opening


def fold(text: str) -> str | None:
    found: str | None = pl.select(folded(pl.lit(text))).item()
    return found


@pytest.mark.parametrize(
    "text",
    [
        "a man doesn't sell 12 red apples",
        "A man doesn’t sell  7 red\napples.",
        "“A man doesnt sell 1,200.5 red apples!”",
        "\ta man — doesn't sell 0:30 red-apples…",
        "A MAN (DOESN'T) SELL ٣ RED APPLES",
    ],
)
def test_case_spaces_digits_and_punctuation_make_no_difference(text: str) -> None:
    assert fold(text) == "a man doesnt sell 0 red apples"


@pytest.mark.parametrize("text", ["a man doesnt sell red apples", "a man doesnt sell 0 red apple s", "été", "ete"])
def test_words_do(text: str) -> None:
    assert len({fold(text), "a man doesnt sell 0 red apples", fold("Ete, été")}) == 3


@pytest.mark.parametrize("text", ["", " ", "…", "-- ?!", "🎬"])
def test_a_text_without_words_has_none(text: str) -> None:
    assert fold(text) is None


def test_in_scripts_without_spaces_each_letter_is_a_word() -> None:
    assert fold("一个男人，在 3 个地方") == "一 个 男 人 在 0 个 地 方"
    assert fold("ฉันกิน") == fold("ฉัน กิน")


def test_an_opening_is_that_of_a_longer_text() -> None:
    texts = pl.DataFrame({"text": ["a b c d", "a b c", "a b", None, "a b c d e"]})
    assert texts.select(opening(pl.col("text"), 3)).to_series().to_list() == ["a b c", None, None, None, "a b c"]
    assert texts.select(opening(pl.col("text"), 1)).to_series().to_list() == ["a", "a", "a", None, "a"]
