"""Words from the data are plain words in the card, and licences and languages those of the Hub."""

from pathlib import Path

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.card.write import HOME, Texts, bytes_in_words, cell, common_licence, count_values, languages_of

HOSTILE = (
    "a|b\n<script>alert(1)</script> [x](javascript:y) `c` **d** _e_ ~~f~~ $g$ &lt; \0\x1b \ud800 \u2028 snake_case"
)


def test_hostile_words_are_plain_words() -> None:
    plain = cell(HOSTILE)
    assert not set(plain) & set("|<>`*[]~$\n\0\x1b\u2028")
    assert "&#60;script&#62;" in plain
    assert "&#38;lt;" in plain
    assert "snake_case" in plain
    assert "&#95;e&#95;" in plain
    plain.encode()


@pytest.mark.parametrize(
    ("licences", "named"),
    [
        (["Creative Commons Attribution license (reuse allowed)"] * 2, "cc-by-3.0"),
        (["CC BY-NC-SA 4.0"], "cc-by-nc-sa-4.0"),
        (["cc-by-4.0", "cc-by-3.0"], None),
        (["cc-by-4.0", None], None),
        ([None], None),
        (["all rights reserved"], None),
    ],
)
def test_a_licence_is_named_only_if_all_rows_have_it(licences: list[str | None], named: str | None) -> None:
    assert common_licence(pl.DataFrame({"licence": licences}, {"licence": pl.String()})) == named


def test_languages_are_codes_the_most_frequent_first() -> None:
    rows = pl.DataFrame({"language": ["en-US", "no", "no", "English", None, "zh_Hans", "x"]})
    assert languages_of(rows) == ["no", "en", "zh"]


def test_hours_are_unknown_where_no_length_is_known() -> None:
    rows = pl.DataFrame(
        {
            "category": ["a", "a", None],
            "source": [None] * 3,
            "language": [None] * 3,
            "duration_s": [1800.0, None, None],
        },
        schema_overrides={"source": pl.String(), "language": pl.String()},
    )
    assert list(count_values(rows)) == [("category", [("a", 2, "0.5"), ("unknown", 1, "–")])]


def test_a_text_of_ones_own_comes_first_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "limits.md").write_text("- {{ nothing }}")
    texts = Texts([tmp_path, HOME])
    with pytest.raises(InputError, match=r"card\.folder: limits\.md: UndefinedError: 'nothing' is undefined"):
        texts.render("limits.md")
    (tmp_path / "limits.md").write_text("- Mine.")
    assert texts.render("limits.md") == "- Mine."
    assert "discussion" in texts.render("opt_out.md", contact=None, repo="me/data")


@pytest.mark.parametrize(("size", "words"), [(0, "0 bytes"), (1500, "1.5 kB"), (2_000_000_000, "2 GB")])
def test_sizes_have_fitting_units(size: int, words: str) -> None:
    assert bytes_in_words(size) == words
