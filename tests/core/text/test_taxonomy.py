"""Categories from a file, and their unique labels."""

from pathlib import Path

import pytest

from slurm.errors import InputError
from stages.core.text.taxonomy import read_taxonomy

FINEVIDEO = """{
  "Science & Technology": {"Tech Reviews": {"Gadget Reviews": {}, "Software": {}}},
  "Automotive": {"Car Reviews": {}, "Motorsports": {"Racing Highlights": {}, "Software": {}}}
}"""


def written(folder: Path, text: str) -> Path:
    path = folder / "taxonomy.yaml"
    path.write_text(text)
    return path


def test_our_own_has_nine_groups_of_five_topics_of_three_categories() -> None:
    found = read_taxonomy(Path("conf/taxonomy/videos.yaml"))
    assert len(found.leaves) == len(found.labels) == 135
    assert len({leaf.path[0] for leaf in found.leaves}) == 9
    assert len(found.topics.labels) == 45
    assert all(len(found.below(topic).leaves) == 3 for topic in found.topics.labels)
    assert all(leaf.description for leaf in found.leaves)


def test_finevideos_form_is_read_and_names_that_occur_twice_are_qualified_by_their_path(tmp_path: Path) -> None:
    found = read_taxonomy(written(tmp_path, FINEVIDEO))
    assert list(found.labels) == [
        "Gadget Reviews",
        "Science & Technology > Tech Reviews > Software",
        "Car Reviews",
        "Racing Highlights",
        "Automotive > Motorsports > Software",
    ]
    assert found.labels["Car Reviews"].path == ("Automotive", "Car Reviews")
    assert list(found.topics.labels) == ["Tech Reviews", "Automotive", "Motorsports"]
    assert [leaf.name for leaf in found.below("Motorsports").leaves] == ["Racing Highlights", "Software"]


def test_lists_and_descriptions_are_leaves_too(tmp_path: Path) -> None:
    found = read_taxonomy(written(tmp_path, "Music: [Rock, {Jazz: with a swing}]\nOther: all the rest\n"))
    assert [leaf.text for leaf in found.leaves] == [
        "Music > Rock",
        "Music > Jazz: with a swing",
        "Other: all the rest",
    ]


def test_the_hash_changes_with_what_a_model_reads(tmp_path: Path) -> None:
    texts = ["a: x\nb: y", "a: x\nb: z", "b: y\na: x", "a: {c: x}\nb: y"]
    hashes = {read_taxonomy(written(tmp_path, text)).hash for text in texts}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "neither YAML nor JSON"),
        ("only: one", "1 categories"),
        ("", "its top"),
        ("a: {b: 3}", "a > b is 3"),
        ("a > b: {}\nc: {}", "is not a name"),
        ("m: [a, a]", "'m > a' twice"),
    ],
)
def test_what_is_no_taxonomy_says_why(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=r"categories=.*") as refused:
        read_taxonomy(written(tmp_path, text))
    assert told in str(refused.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml cannot be read"):
        read_taxonomy(tmp_path / "none.yaml")
