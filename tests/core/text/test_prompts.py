"""Prompts from templates, and texts truncated to a token budget."""

from pathlib import Path

import pytest

from slurm.errors import InputError
from stages.core.text.prompts import BYTES_PER_TOKEN, Prompts, truncate_words


def template(folder: Path, text: str) -> Path:
    path = folder / "prompt.j2"
    path.write_text(text)
    return path


def test_a_template_has_a_system_message_for_all_and_a_user_message_for_each(tmp_path: Path) -> None:
    made = Prompts(template(tmp_path, "Choose: {{ labels | join(', ') }}\n-----\nTitle: {{ title }}\n"))
    assert made.system_message({"labels": ["a", "b"]}) == "Choose: a, b"
    assert made.user_message({"title": "T <1>"}) == "Title: T <1>"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no line", "must have one line of five dashes"),
        ("{% if %}\n-----\n", "prompt.j2: "),
        ("a\n-----\n{{ missing }}", "'missing' is undefined; available: title"),
    ],
)
def test_what_is_wrong_with_a_template_is_reported(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Prompts(template(tmp_path, text)).user_message({"title": "T"})
    with pytest.raises(InputError, match="cannot be read"):
        Prompts(tmp_path / "none.j2")


def test_a_template_that_names_what_is_not_there_is_refused_though_no_row_would_show_it(tmp_path: Path) -> None:
    named = template(tmp_path, "a {{ labels }}\n-----\n{% if title %}{{ titel }}{% endif %}{% set x = 1 %}{{ x }}")
    with pytest.raises(InputError, match=r"names 'titel', which is not there; there are: labels, title$"):
        Prompts(named).check_names(("title", "labels"))
    Prompts(named).check_names(("title", "labels", "titel"))


def test_a_text_is_cut_between_words_and_to_a_budget_of_bytes() -> None:
    assert truncate_words(" a\n b\tc ", 10) == "a b c"
    assert truncate_words(None, 10) == ""
    assert truncate_words("aaa bbb ccc", 2) == "aaa bbb"
    assert truncate_words("aaa bbbb ccc", 2) == "aaa bbbb"
    assert truncate_words("x" * 100, 2) == "x" * 8
    assert truncate_words("короткие слова", 4) == "короткие"
    chinese = truncate_words("视频" * 500, 100)
    assert chinese == "视频" * (len(chinese) // 2) + "视" * (len(chinese) % 2)
    assert 100 * BYTES_PER_TOKEN - 3 < len(chinese.encode()) <= 100 * BYTES_PER_TOKEN
