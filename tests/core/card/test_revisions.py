"""What came and went since the version before."""

from pathlib import Path

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.card.revisions import Former, add_revision, hash_rows, keep_history, read_history, read_salt
from stages.core.card.settings import Version

FIRST = Version("1.0.0", None, "First.")


def hashes(*ids: str) -> set[str]:
    return hash_rows(pl.DataFrame({"config": ["default"] * len(ids), "id": ids}), "salt")


def test_rows_that_came_and_went_are_counted(tmp_path: Path) -> None:
    versions = add_revision(Former([], set()), FIRST, hashes("a", "b"), False)
    keep_history(tmp_path, versions, hashes("a", "b"))
    versions = add_revision(read_history(tmp_path), Version("2.0.0", None, "More."), hashes("b", "c", "d"), False)
    assert [(one.version, one.rows, one.added, one.removed) for one in versions] == [
        ("1.0.0", 2, 2, 0),
        ("2.0.0", 3, 2, 1),
    ]
    keep_history(tmp_path, versions, hashes("b", "c", "d"))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["2.0.0.parquet", "revisions.json"]


def test_the_same_version_of_the_same_rows_stays(tmp_path: Path) -> None:
    versions = add_revision(Former([], set()), FIRST, hashes("a"), False)
    again = add_revision(Former(versions, hashes("a")), Version("1.0.0", None, "In other words."), hashes("a"), False)
    assert [(one.change, one.added) for one in again] == [("In other words.", 1)]


def test_a_version_of_other_rows_wants_another_name() -> None:
    versions = add_revision(Former([], set()), FIRST, hashes("a"), False)
    with pytest.raises(InputError, match=r"version\.name=1\.0\.0 is published already.*1 rows are new"):
        add_revision(Former(versions, hashes("a")), FIRST, hashes("a", "b"), False)
    newer = add_revision(Former(versions, hashes("a")), Version("2.0.0", None, "More."), hashes("a", "b"), False)
    with pytest.raises(InputError, match="published already"):
        add_revision(Former(newer, hashes("a", "b")), FIRST, hashes("a", "b"), False)


def test_another_dataset_is_not_a_new_version() -> None:
    versions = add_revision(Former([], set()), FIRST, hashes("a"), False)
    version = Version("2.0.0", None, "Other.")
    with pytest.raises(InputError, match=r"has none of these rows, and 1 others: .*hub\.replace=true"):
        add_revision(Former(versions, hashes("a")), version, hashes("x"), False)
    assert add_revision(Former(versions, hashes("a")), version, hashes("x"), True)[-1].removed == 1


def test_hashes_depend_on_a_salt_that_stays(tmp_path: Path) -> None:
    salt = read_salt(tmp_path)
    assert read_salt(tmp_path) == salt
    assert hash_rows(pl.DataFrame({"config": ["c"], "id": ["a"]}), salt) != hashes("a")
