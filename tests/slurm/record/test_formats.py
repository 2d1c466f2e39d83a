"""Records bear a format number: this version's are read, others refused in words, and unknown fields are kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from slurm.errors import InputError
from slurm.record.files import read_json, write_json
from slurm.record.formats import FORMAT, OlderFormatError, read_record, write_record

SAMPLES = Path(__file__).parent / "samples"


class End(NamedTuple):
    job: str
    cause: str
    words: str
    was_ready: bool
    at: float


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Inner:
    size: int
    ports: tuple[int, int] = (1, 2)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    notes: dict[str, float] = field(default_factory=dict)
    limit: float | None = None


END = End("1234_0", "failed", "CUDA out of memory", False, 1795910400.25)


def test_a_record_of_this_format_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(SAMPLES / f"format_{FORMAT}.json", End) == END
    write_record(tmp_path / "deep" / "end.json", END)
    assert (tmp_path / "deep" / "end.json").read_text() == (SAMPLES / f"format_{FORMAT}.json").read_text()
    outer = Outer("x", Inner(3, (8000, 9000)), {"tokens": 1.5})
    write_record(tmp_path / "outer.json", outer)
    assert read_record(tmp_path / "outer.json", Outer) == outer


def test_a_record_without_a_number_is_refused_with_the_version_that_made_it_and_what_mends_it() -> None:
    with pytest.raises(OlderFormatError, match=r"format_0.json was made by .*0549889 or older.*: start it again"):
        read_record(SAMPLES / "format_0.json", End, "start it again")


def test_a_record_that_is_no_object_is_an_older_one(tmp_path: Path) -> None:
    write_json(tmp_path / "job.json", "1234")
    with pytest.raises(OlderFormatError, match=r"job.json was made by .*0549889 or older"):
        read_record(tmp_path / "job.json", End)


def test_a_record_of_a_newer_version_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "end.json"
    write_json(path, {**END._asdict(), "format": FORMAT + 1})
    before = path.read_bytes()
    refusals = f"newer Reelmill .record format {FORMAT + 1}, this one reads {FORMAT}.*git pull"
    with pytest.raises(InputError, match=refusals):
        read_record(path, End)
    with pytest.raises(InputError, match=refusals):
        write_record(path, END)
    assert path.read_bytes() == before


def test_unknown_fields_are_ignored_and_stay_when_the_record_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "outer.json"
    write_json(
        path,
        {"format": 1, "name": "x", "colour": "red", "limit": 2.0, "inner": {"size": 1, "depth": 9, "ports": [3, 4]}},
    )
    assert read_record(path, Outer) == Outer("x", Inner(1, (3, 4)), limit=2.0)
    write_record(path, Outer("y", Inner(2), {"a": 1.0}))
    assert read_json(path) == {
        "format": 1,
        "name": "y",
        "colour": "red",
        "limit": None,
        "notes": {"a": 1.0},
        "inner": {"size": 2, "depth": 9, "ports": [1, 2]},
    }


@pytest.mark.parametrize("there", ['{"job": "1", "colour": "red"}', '"1"', '{"format": 1, "jo', ""])
def test_an_older_or_damaged_record_is_replaced_whole(tmp_path: Path, there: str) -> None:
    path = tmp_path / "end.json"
    path.write_text(there)
    write_record(path, END)
    assert read_json(path) == {**END._asdict(), "format": FORMAT}


def test_a_missing_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_record(tmp_path / "nowhere.json", End)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('{"format": 1, "job": "1', "end.json is damaged: EOF"),
        ('{"format": "1"}', "format '1' is not a number"),
        ('{"format": true}', "format True is not a number"),
        ('{"format": -1}', "format -1 is not a number"),
        ('{"format": 1, "job": "1", "cause": "x", "words": "", "was_ready": false}', "at: Field required"),
        ('{"format": 1, "job": "1", "cause": "x", "words": "", "was_ready": 7, "at": 1.0}', "was_ready: "),
    ],
)
def test_a_damaged_record_is_refused_with_the_field(tmp_path: Path, written: str, words: str) -> None:
    (tmp_path / "end.json").write_text(written)
    with pytest.raises(InputError, match=words):
        read_record(tmp_path / "end.json", End)
