"""The files of a dataset here and on the Hub, and in what they differ."""

import hashlib
from pathlib import Path

import pytest

from slurm.errors import InputError
from stages.core.hub.tree import File, Remote, check_files, git_hash, is_same, list_tree

CONTENT = b"what is packed"


@pytest.fixture
def file(tmp_path: Path) -> File:
    (tmp_path / "a.parquet").write_bytes(CONTENT)
    (one,) = list_tree(tmp_path, {"a.parquet": hashlib.sha256(CONTENT).hexdigest()})
    return one


def test_a_file_is_the_same_by_its_bytes(file: File) -> None:
    oid = hashlib.sha256(CONTENT).hexdigest()
    assert is_same(file, Remote(len(CONTENT), oid, large=True))
    assert is_same(file, Remote(len(CONTENT), git_hash(file.local), large=False))
    assert is_same(file._replace(sha256=None), Remote(len(CONTENT), oid, large=True))
    for other in (None, Remote(1, oid, large=True), Remote(len(CONTENT), "0" * 64, large=True)):
        assert not is_same(file, other)


def test_gits_name_of_a_file_is_that_of_git(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello\n")
    assert git_hash(tmp_path / "x") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_file_that_was_changed_since_it_was_packed_is_refused(file: File) -> None:
    check_files([file])
    file.local.write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=r"a\.parquet: its SHA-256 is .* and was .* when it was packed"):
        check_files([file])


def test_links_are_files_and_one_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_bytes(b"12345")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("../there/x")
    assert [(one.path, one.bytes) for one in list_tree(tmp_path / "tree", {})] == [("link", 5)]
    (tmp_path / "there" / "x").unlink()
    with pytest.raises(InputError, match=r"link cannot be read: No such file"):
        list_tree(tmp_path / "tree", {})
