"""Videos in the cells of Parquet files: each row group is read once and no further than it must be."""

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.hub import Hub
from support.web import Web

from slurm.errors import ItemError
from stages.core.fetch.web.cells import Cell, extract_cells, file_of, parse

MIB = 1 << 20
NAMES = ("a", "b", "c", "d")  # of the videos of a row group


def video(name: str, size: int = MIB) -> bytes:
    return random.Random(name).randbytes(size)


def write(file: Path, *groups: Sequence[bytes | None], in_one_page: bool = True) -> Path:
    """A Parquet file with a row group of videos each; pages as pyarrow makes them, or one for each video."""
    schema = pa.schema({"mp4": pa.binary(), "json": pa.string()})
    paging = {} if in_one_page else {"use_dictionary": False, "write_batch_size": 1}
    with pq.ParquetWriter(file, schema, **paging) as writer:
        for group in groups:
            told = [video(f"json{row}", MIB // 8).hex() for row in range(len(group))]
            writer.write_table(pa.table({"mp4": group, "json": told}, schema))
    return file


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    (tmp_path / "staged").mkdir()
    return tmp_path / "staged"


def stage(folder: Path, file: Path | str, rows: dict[str, int], column: str = "mp4") -> dict[str, Path | ItemError]:
    found = list(extract_cells({name: f"parquet://{column}@{row}::{file}" for name, row in rows.items()}, folder))
    assert sorted(name for name, _ in found) == sorted(rows)  # each once, none forgotten
    assert not list(folder.glob("*.part"))
    return dict(found)


def code(found: Path | ItemError) -> str | None:
    return found.code if isinstance(found, ItemError) else None


def content(found: Path | ItemError) -> bytes:
    assert isinstance(found, Path), found
    return found.read_bytes()


def test_an_address_names_column_row_and_file() -> None:
    assert parse("parquet://mp4@12::hf://datasets/o/n@main/0.parquet") == Cell(
        "mp4", 12, "hf://datasets/o/n@main/0.parquet"
    )
    assert parse("parquet://a@b@0::/x/y::z.parquet") == Cell("a@b", 0, "/x/y::z.parquet")
    assert file_of("parquet://mp4@12::/x/0.parquet") == "/x/0.parquet"
    assert file_of("https://e.org/a.mp4") == "https://e.org/a.mp4"


@pytest.mark.parametrize(
    "address", ["/x/0.parquet", "parquet://mp4::/x", "parquet://mp4@-1::/x", "parquet://mp4@1::", "parquet://@1::/x"]
)
def test_what_is_no_address_of_a_cell_is_named(address: str, staged: Path) -> None:
    [(name, found)] = extract_cells({"v": address}, staged)
    assert (name, code(found)) == ("v", "bad_value")
    assert isinstance(found, ItemError)
    assert address in found.detail


@pytest.mark.parametrize("in_one_page", [True, False])
def test_each_cell_is_a_file_with_exactly_its_bytes(tmp_path: Path, staged: Path, in_one_page: bool) -> None:
    groups = [[video(f"{group}{name}", MIB // 4) for name in NAMES] for group in range(3)]
    file = write(tmp_path / "0.parquet", *groups, in_one_page=in_one_page)
    rows = {"last": 11, "first": 0, "v3": 3, "v4": 4, "twin": 4}
    found = stage(staged, file, rows)
    cells = [cell for group in groups for cell in group]
    assert {name: content(path) for name, path in found.items()} == {name: cells[row] for name, row in rows.items()}
    assert sorted(path.name for path in staged.iterdir()) == sorted(f"{name}.mp4" for name in rows)


def test_cells_of_several_files_are_fetched_file_by_file(tmp_path: Path, staged: Path) -> None:
    one, two = (write(tmp_path / f"{name}.parquet", [video(name, 100)]) for name in ("one", "two"))
    addresses = {"v1": f"parquet://mp4@0::{one}", "v2": f"parquet://mp4@0::{two}", "v3": f"parquet://mp4@0::{one}"}
    found = list(extract_cells(addresses, staged))
    assert [name for name, _ in found] == ["v1", "v3", "v2"]
    assert [content(path) for _, path in found] == [video("one", 100), video("one", 100), video("two", 100)]


def test_an_id_that_is_no_file_name_stays_in_the_folder(tmp_path: Path, staged: Path) -> None:
    file = write(tmp_path / "0.parquet", [video("a", 100)])
    found = stage(staged, file, {"../../a": 0, "a/b": 0})
    assert all(isinstance(path, Path) and path.parent == staged for path in found.values())
    assert len(list(staged.iterdir())) == 2


def test_only_the_wanted_column_of_wanted_row_groups_is_read(tmp_path: Path, staged: Path) -> None:
    file = write(tmp_path / "0.parquet", *[[video(f"{group}{name}") for name in NAMES] for group in range(5)])
    chunk = pq.read_metadata(file).row_group(1).column(0).total_compressed_size
    with Web(tmp_path) as web:
        found = stage(staged, web.url("0.parquet"), {"v4": 4, "v7": 7, "v13": 13})
        sent = sum(request.sent_bytes for request in web.requests)
    assert content(found["v13"]) == video("3b")
    assert 2 * chunk <= sent < 2 * chunk + MIB // 4  # and the footer


def test_a_row_group_is_read_no_further_than_its_last_wanted_row(tmp_path: Path, staged: Path) -> None:
    write(tmp_path / "0.parquet", [video(name) for name in NAMES * 4], in_one_page=False)
    with Web(tmp_path) as web:
        found = stage(staged, web.url("0.parquet"), {"v0": 0, "v1": 1})
        sent = sum(request.sent_bytes for request in web.requests)
    assert content(found["v1"]) == video("b")
    assert 2 * MIB <= sent < 4 * MIB + MIB // 4  # two videos, what is read ahead, the footer


def test_what_is_there_from_an_earlier_attempt_is_not_read_again(tmp_path: Path, staged: Path) -> None:
    write(tmp_path / "0.parquet", [video("a")], [video("b")])
    with Web(tmp_path) as web:
        stage(staged, web.url("0.parquet"), {"va": 0})
        (staged / "vb.mp4.part").write_bytes(b"torn")
        before = len(web.requests)
        again = stage(staged, web.url("0.parquet"), {"va": 0, "vb": 1})
        sent = sum(request.sent_bytes for request in web.requests[before:])
        assert [content(path) for path in again.values()] == [video("a"), video("b")]
        assert sent < MIB + MIB // 4
        before = len(web.requests)
        stage(staged, web.url("0.parquet"), {"va": 0, "vb": 1})
        assert len(web.requests) == before


def test_files_come_as_they_are_written(tmp_path: Path, staged: Path) -> None:
    file = write(tmp_path / "0.parquet", [video("a", 100), video("b", 100)])
    coming = extract_cells({name: f"parquet://mp4@{row}::{file}" for row, name in enumerate(("va", "vb"))}, staged)
    assert next(coming)[0] == "va"
    assert [path.name for path in staged.iterdir()] == ["va.mp4"]


def test_a_null_an_empty_and_an_absent_cell_have_their_codes(tmp_path: Path, staged: Path) -> None:
    file = write(tmp_path / "0.parquet", [None, video("a", 100), b""])
    found = stage(staged, file, {"null": 0, "good": 1, "empty": 2, "absent": 3})
    assert {name: code(one) for name, one in found.items()} == {
        "null": "removed",
        "good": None,
        "empty": "empty",
        "absent": "missing",
    }
    assert code(stage(staged, file, {"v": 0}, column="avi")["v"]) == "missing"
    assert code(stage(staged, file, {"w": 0}, column="json")["w"]) == "corrupt"


def test_files_that_are_not_there_or_no_parquet_have_their_codes(tmp_path: Path, staged: Path) -> None:
    whole = write(tmp_path / "0.parquet", [video("a")])
    (tmp_path / "torn.parquet").write_bytes(whole.read_bytes()[:-3000])
    (tmp_path / "empty.parquet").touch()
    names = {"gone": "missing", "torn": "corrupt", "empty": "corrupt"}
    for name, wanted in names.items():
        assert code(stage(staged, tmp_path / f"{name}.parquet", {"v": 0})["v"]) == wanted
    assert code(stage(staged, tmp_path, {"v": 0})["v"]) == "unreadable"


def test_a_damaged_row_group_costs_only_its_own_rows(tmp_path: Path, staged: Path) -> None:
    file = write(tmp_path / "0.parquet", [video("a"), video("b")], [video("c")], in_one_page=False)
    pages = bytearray(file.read_bytes())
    second = pages.index(video("b")[:64]) - 40  # the header of its page
    pages[second : second + 30] = b"\xff" * 30
    file.write_bytes(pages)
    found = stage(staged, file, {"va": 0, "vb": 1, "vc": 2})
    assert {name: code(one) for name, one in found.items()} == {"va": None, "vb": "corrupt", "vc": None}
    assert content(found["vc"]) == video("c")


def test_a_connection_that_breaks_is_resumed(tmp_path: Path, staged: Path) -> None:
    write(tmp_path / "0.parquet", [video("a")])
    with Web(tmp_path) as web:
        web.fault("0.parquet", "truncated", after=2, times=1)
        assert content(stage(staged, web.url("0.parquet"), {"v": 0})["v"]) == video("a")
        asked = [request.range for request in web.asked("0.parquet", "GET")]
    assert len(asked) == len(set(asked)) + 1  # that one again


def test_a_server_that_refuses_has_its_code(tmp_path: Path, staged: Path) -> None:
    write(tmp_path / "0.parquet", [video("a")])
    with Web(tmp_path) as web:
        url = web.url("0.parquet")
        assert code(stage(staged, web.url("gone.parquet"), {"v": 0})["v"]) == "missing"
        web.fault("0.parquet", "no_ranges")
        assert code(stage(staged, url, {"v": 0})["v"]) == "other"
        web.mend("0.parquet")
        web.fault("0.parquet", 500, only="GET", after=1)
        assert code(stage(staged, url, {"v": 0})["v"]) == "network"
    assert code(stage(staged, url, {"v": 0})["v"]) == "network"  # nobody is there any more


def test_cells_of_a_dataset_on_the_hub(tmp_path: Path, staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "0.parquet", [video("a")], [video("b")])
    with Hub({"data/0.parquet": file.read_bytes()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        address = "hf://datasets/org/name/data"
        assert content(stage(staged, f"{address}/0.parquet", {"v": 1})["v"]) == video("b")
        assert code(stage(staged, f"{address}/1.parquet", {"w": 0})["w"]) == "missing"
        hub.refusal = "GatedRepo"
        assert code(stage(staged, f"{address}/0.parquet", {"w": 0})["w"]) == "private"


PEAK = """
import resource, sys
from pathlib import Path
from stages.core.fetch.web.cells import extract_cells

file, folder, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
def peak_mib(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak_mib()
found = dict(extract_cells({f"v{row}": f"parquet://mp4@{row}::{file}" for row in range(rows)}, folder))
assert all(isinstance(path, Path) for path in found.values())
print(peak_mib() - before)
"""


@pytest.mark.parametrize(("in_one_page", "most_mib"), [(False, 24), (True, 3 * 32)])
def test_memory_is_that_of_a_page_not_of_a_file(tmp_path: Path, staged: Path, in_one_page: bool, most_mib: int) -> None:
    groups = [[video(f"{group}{n}", 4 * MIB) for n in range(8)] for group in range(2)]
    file = write(tmp_path / "0.parquet", *groups, in_one_page=in_one_page)
    command = [sys.executable, "-c", PEAK, str(file), str(staged), "16"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < most_mib


def test_a_small_file_with_a_huge_cell_is_not_unpacked(tmp_path: Path) -> None:
    """By the sizes that the file itself tells; a row group of small cells is read."""
    table = pa.table({"mp4": [b"a" * 100, b"b" * 30_000_000]})
    pq.write_table(table, tmp_path / "0.parquet", row_group_size=1, compression="zstd")
    assert (tmp_path / "0.parquet").stat().st_size < 100_000
    addresses = {name: f"parquet://mp4@{row}::{tmp_path}/0.parquet" for row, name in enumerate("ab")}
    (tmp_path / "staged").mkdir()
    found = dict(extract_cells(addresses, tmp_path / "staged", max_bytes=1_000_000))
    assert isinstance(found["a"], Path)
    assert isinstance(error := found["b"], ItemError)
    assert error.code == "too_large"
    assert "30000" in error.detail


def test_a_cell_that_is_larger_than_allowed_costs_itself(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes
    pq.write_table(pa.table({"mp4": [noise(100), noise(3000)]}), tmp_path / "0.parquet")
    addresses = {name: f"parquet://mp4@{row}::{tmp_path}/0.parquet" for row, name in enumerate("ab")}
    (tmp_path / "staged").mkdir()
    found = dict(extract_cells(addresses, tmp_path / "staged", max_bytes=1000))
    assert isinstance(found["a"], Path)
    assert getattr(found["b"], "code", None) == "too_large"
