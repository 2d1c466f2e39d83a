"""Changes that were decided are made, whatever was made of them before; others never begin."""

from pathlib import Path

from slurm.record.files import write_json
from slurm.removals import folder_of, staged_of
from stages.core.removal import journal
from stages.core.removal.journal import Changes


def test_changes_are_made_and_may_be_made_again(tmp_path: Path) -> None:
    new, old, left = (tmp_path / name for name in ("new", "old", "left"))
    old.write_text("old")
    left.write_text("left")
    for path in (new, old):
        staged_of(path).write_text("changed")
    journal.make(tmp_path, Changes([new, old], [left]))
    assert (new.read_text(), old.read_text(), left.exists()) == ("changed", "changed", False)
    journal.finish(tmp_path)
    assert [path.name for path in folder_of(tmp_path).iterdir()] == []


def test_what_a_killed_process_has_decided_is_done_by_the_next(tmp_path: Path) -> None:
    first, second, left = (tmp_path / name for name in ("first", "second", "left"))
    first.write_text("changed")  # already renamed
    second.write_text("old")
    staged_of(second).write_text("changed")
    left.write_text("left")
    paths = [[str(first), str(second)], [str(left), str(tmp_path / "never")]]
    write_json(folder_of(tmp_path) / ".changes.json", paths)
    journal.finish(tmp_path)
    assert (first.read_text(), second.read_text(), left.exists()) == ("changed", "changed", False)


def test_what_was_not_decided_is_not_done(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    staged_of(path).write_text("changed")
    journal.finish(tmp_path)
    assert path.read_text() == "old"
