"""Files that others read while they are written: whole or not there."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from slurm.record.files import (
    names,
    read_json,
    replacing,
    streamed,
    write_json,
    write_once,
    write_table,
)
from slurm.record.paths import bucket, chunk_name

ROOT = Path(__file__).parents[3]


def python(script: str, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_of_many_processes_the_first_to_write_once_wins(tmp_path: Path) -> None:
    race = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from slurm.record.files import write_once\n"
        "(folder := Path(sys.argv[1])).joinpath(f'ready{os.getpid()}').touch()\n"
        "while len(list(folder.glob('ready*'))) < 5: time.sleep(0.001)\n"
        "print([write_once(folder / 'raced' / f'{i}.json', [os.getpid()] * 99)[0] for i in range(200)])\n"
    )
    racers = [python(race, str(tmp_path)) for _ in range(5)]
    told = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    assert told == [told[0]] * 5
    assert [read_json(tmp_path / "raced" / f"{i}.json") for i in range(200)] == [[pid] * 99 for pid in told[0]]
    assert len(list((tmp_path / "raced").iterdir())) == 200  # no temporary file is left


def test_write_once_gives_what_stands(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    assert write_once(path, {"first": 1}) == {"first": 1}
    assert write_once(path, {"second": 2}) == {"first": 1}
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(tmp_path / "a.json") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_writer_that_is_killed_leaves_only_a_file_that_is_never_listed(tmp_path: Path) -> None:
    killed = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from slurm.record.files import replacing\n"
        "with replacing(Path(sys.argv[1]) / '000001.json') as temporary:\n"
        "    temporary.write_text('{\"half\":')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert python(killed, str(tmp_path)).wait(60) == -9
    assert len(list(tmp_path.iterdir())) == 1
    assert names(tmp_path) == []


def test_names_are_sorted_and_none_where_there_is_no_folder_or_a_file(tmp_path: Path) -> None:
    for name in ("b", ".a.json.host.1.tmp", "a", "c"):
        (tmp_path / name).touch()
    assert names(tmp_path) == ["a", "b", "c"]
    assert names(tmp_path / "nowhere") == names(tmp_path / "a") == []


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": ["ä", None], "lists": [[1.5], []], "raw": [b"\x00", None]})
    write_table(tmp_path / "t.parquet", table)
    assert pl.read_parquet(tmp_path / "t.parquet").equals(table)


@pytest.mark.parametrize(("chunk", "folder"), [(0, "000"), (42, "000"), (999, "000"), (1000, "001"), (12345, "012")])
def test_a_folder_holds_a_thousand_chunks(chunk: int, folder: str) -> None:
    assert bucket(chunk) == folder
    assert chunk_name(chunk) == f"{chunk:06d}"


def test_pictures_are_written_in_small_row_groups_and_read_as_they_were(tmp_path: Path) -> None:
    pictures = pl.DataFrame({"place": range(1200), "picture": [bytes([n % 256]) * 50 for n in range(1200)]})
    for name, table in (("pictures", pictures), ("places", pictures.drop("picture"))):
        write_table(tmp_path / name, table)
        assert pl.read_parquet(tmp_path / name).equals(table)
    assert [pq.ParquetFile(tmp_path / name).num_row_groups for name in ("pictures", "places")] == [38, 1]


def test_a_table_of_frames_is_written_as_they_are_made(tmp_path: Path) -> None:
    schema: dict[str, pl.DataType] = {"n": pl.Int64(), "word": pl.String()}
    made: list[int] = []

    def frames(until: int) -> Iterator[pl.DataFrame]:
        for n in range(until):
            made.append(n)
            yield pl.DataFrame({"n": [n], "word": [f"w{n}"]}, schema=schema)

    table = streamed(lambda: frames(5), schema)
    assert made == []
    write_table(tmp_path / "five", table)
    write_table(tmp_path / "twice", table.select("word", pl.col("n") * 2))
    write_table(tmp_path / "none", streamed(lambda: frames(0), schema))
    assert pl.read_parquet(tmp_path / "five").rows() == [(n, f"w{n}") for n in range(5)]
    assert pl.read_parquet(tmp_path / "twice").rows() == [(f"w{n}", 2 * n) for n in range(5)]
    assert pl.read_parquet(tmp_path / "none").schema == schema
    assert made == [*range(5), *range(5)]


def test_a_table_of_frames_is_filtered_selected_and_cut_as_any_other() -> None:
    schema: dict[str, pl.DataType] = {"n": pl.Int64(), "word": pl.String()}
    whole = [pl.DataFrame({"n": [n, n + 1], "word": [f"w{n}", "x"]}, schema=schema) for n in range(0, 10, 2)]
    table, plain = streamed(lambda: iter(whole), schema), pl.concat(whole).lazy()
    questions: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = [
        lambda of: of.filter(pl.col("n") > 3).select("word"),
        lambda of: of.head(3),
        lambda of: of.head(4).select("word"),
        lambda of: of.filter(pl.col("word") == "x").head(2),
        lambda of: of.slice(3, 3),
    ]
    for asked in questions:
        assert asked(table).collect().equals(asked(plain).collect())


def test_what_goes_wrong_while_frames_are_made_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"n": [1]})
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_table(tmp_path / "table", streamed(frames, {"n": pl.Int64()}))
    assert list(tmp_path.iterdir()) == []
