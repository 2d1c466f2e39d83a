"""Whether a person has written the section on biases, and whose terms come along."""

from pathlib import Path

import pytest

from slurm.errors import InputError
from stages.core.card.terms import check_biases, is_filled, merge_gates, read_terms, terms_of_sources
from stages.core.card.write import HOME


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ((HOME / "biases.md").read_text(), False),
        ("", False),
        ("# A\n\n## B\n", False),
        ("<!-- a\n\nb -->\n### C\n<!-- -->", False),
        ("### C\nMen speak in most rows.", True),
        ("Men speak in most rows.", True),
    ],
)
def test_a_form_with_headings_and_comments_is_not_filled(text: str, filled: bool) -> None:
    assert is_filled(text) is filled


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"card\.biases=.*none\.md cannot be read"):
        check_biases(str(tmp_path / "none.md"), draft=True)


def test_terms_of_a_source_are_kept_and_those_of_its_own_card_added(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("---\nextra_gated_prompt: Theirs.\nlicense: mit\n---\n# Card\n")
    (terms,) = terms_of_sources({"finevideo": str(tmp_path / "data"), "folder": str(tmp_path)}, HOME)
    assert terms.name == "finevideo"
    assert "license" not in terms.gate
    assert terms.gate["extra_gated_prompt"].endswith("Theirs.")
    assert "attribution" in terms.gate["extra_gated_prompt"]
    (remote,) = terms_of_sources({"finevideo": "hf://datasets/HuggingFaceFV/finevideo"}, HOME)
    assert "taken out" in remote.gate["extra_gated_prompt"]


def test_of_two_gates_both_are_asked() -> None:
    first = {"extra_gated_prompt": "A", "extra_gated_fields": {"Name": "text"}}
    second = {"extra_gated_prompt": "B", "extra_gated_fields": {"Age": "text"}, "extra_gated_heading": "H"}
    merged = merge_gates([first, second])
    assert merged["extra_gated_prompt"] == "A\n\nB"
    assert merged["extra_gated_fields"] == {"Name": "text", "Age": "text"}
    assert merge_gates([merged, first])["extra_gated_prompt"] == "A\n\nB"


def test_a_head_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    path = tmp_path / "terms.md"
    path.write_text("---\na: [\n---\n")
    with pytest.raises(InputError, match=r"terms\.md: its head is no YAML"):
        read_terms(path, "card.terms")
