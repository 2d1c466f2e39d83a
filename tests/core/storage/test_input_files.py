"""Files of a catalogue: local, on the Hub, or anywhere else; and the errors if they do not exist."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.hub import Hub
from support.web import Web

from slurm.errors import InputError
from stages.core.sources.tables import scan
from stages.core.storage.input_files import check, list_files, open_file, size

NOBODY = "http://127.0.0.1:9"


def parquet(rows: int = 100, group_rows: int = 10) -> bytes:
    table = pl.DataFrame({"id": [f"v{n}" for n in range(rows)], "text": [os.urandom(1000).hex() for _ in range(rows)]})
    table.write_parquet(file := io.BytesIO(), row_group_size=group_rows, compression="uncompressed")
    return file.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    content = {
        "README.md": b"#",
        "data/1.parquet": parquet(),
        "data/0.PARQUET": parquet(5),
        "more/x/2.parquet": b"torn",
    }
    with Hub(content) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made


def test_files_are_found_below_a_folder_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.csv", "a.CSV", "deep/c.csv", "d.txt", ".hidden.csv", ".cache/e.csv", "folder.csv/f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(tmp_path / name) for name in ("a.CSV", "b.csv", "deep/c.csv", "folder.csv/f.csv")]
    assert list_files(str(tmp_path), {".csv"}) == found
    assert list_files(str(tmp_path / "b.csv"), {".csv"}) == [str(tmp_path / "b.csv")]
    assert list_files(f"{tmp_path}/[ab].*", {".csv"}) == found[:2]
    assert list_files(f"{tmp_path}/**/*.csv", {".csv"})[-2:] == found[-2:]


def test_a_path_may_be_relative_and_have_brackets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "[1]").mkdir()
    (tmp_path / "[1]" / "a.csv").touch()
    monkeypatch.chdir(tmp_path)
    assert list_files("[1]", {".csv"}) == [str(tmp_path / "[1]" / "a.csv")]
    monkeypatch.chdir(tmp_path / "[1]")
    assert list_files("*.csv", {".csv"}) == [str(tmp_path / "[1]" / "a.csv")]


@pytest.mark.parametrize("path", ["gone", "gone/*.csv"])
def test_a_place_that_is_not_there_is_reported_with_where_it_was_looked_for(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match=rf"gone.*: no such file or folder \(seen from {Path.cwd()}\)"):
        check(f"{tmp_path}/{path}")


def test_a_folder_without_such_files_says_which_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    for path in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(InputError, match=r"no file of these kinds in it: \.csv, \.tsv \(any case\)"):
            list_files(str(path), {".tsv", ".csv"})


@pytest.mark.parametrize("path", ["hf://datasets/name", "hf://org/name", "hf://datasets//name", "hf://models/org/name"])
def test_an_address_that_names_no_dataset_is_reported_before_any_request(path: str) -> None:
    with pytest.raises(InputError, match=r"a dataset on the Hub is hf://datasets/org/name\[@revision\]\[/path\]"):
        check(path)


def test_a_dataset_on_the_hub_is_listed(hub: Hub) -> None:
    base = "hf://datasets/org/name"
    names = ["data/0.PARQUET", "data/1.parquet", "more/x/2.parquet"]
    assert list_files(base, {".parquet"}) == [f"{base}/{name}" for name in names]
    assert list_files(f"{base}@main/data", {".parquet"}) == [f"{base}@main/{name}" for name in names[:2]]
    assert list_files(f"{base}/data/1.parquet", {".parquet"}) == [f"{base}/data/1.parquet"]
    assert list_files(f"{base}/more/*/*.parquet", {".parquet"}) == [f"{base}/more/x/2.parquet"]
    assert size(f"{base}/data/1.parquet") == len(hub.files["data/1.parquet"])


def test_of_a_file_on_the_hub_only_what_is_read_travels(hub: Hub) -> None:
    hub.files["big.bin"] = bytes(range(256)) * (1 << 16)
    with open_file("hf://datasets/org/name/big.bin") as file:
        file.seek(5_000_001)
        assert file.read(3) == bytes([65, 66, 67])
    ((name, span),) = hub.requests
    assert (name, span is not None) == ("big.bin", True)
    first, last = (int(n) for n in str(span).removeprefix("bytes=").split("-"))
    assert last - first < 6 << 20


def test_of_a_remote_parquet_file_only_wanted_columns_travel(hub: Hub) -> None:
    table = scan("hf://datasets/org/name/data/1.parquet", "row")
    assert table.collect_schema() == {"row": pl.get_index_type(), "id": pl.String, "text": pl.String}
    hub.requests.clear()
    assert table.select("row", "id").collect(engine="streaming").rows() == [(n + 1, f"v{n}") for n in range(100)]
    spans = [str(span).removeprefix("bytes=").split("-") for _, span in hub.requests]
    assert sum(int(last) - int(first) + 1 for first, last in spans) < len(hub.files["data/1.parquet"]) / 2
    wanted = table.filter(pl.col("id") == "v33").select("id", pl.col("text").str.len_bytes())
    assert wanted.collect().rows() == [("v33", 2000)]
    assert table.head(12).collect()["id"].to_list() == [f"v{n}" for n in range(12)]


def test_filters_and_limits_reach_a_remote_parquet_file(hub: Hub) -> None:
    table = scan("hf://datasets/org/name/data/1.parquet").select("id")
    assert table.filter(pl.col("id").is_in(["v33", "v7"])).collect()["id"].to_list() == ["v7", "v33"]
    hub.requests.clear()
    assert table.head(15).collect()["id"].to_list() == [f"v{n}" for n in range(15)]
    first = len(hub.requests)
    table.collect()
    assert first < len(hub.requests) / 2


REFUSED = {
    "hf://datasets/org/gone": "http://127.* has no such dataset, or it is private: then set HF_TOKEN",
    "hf://datasets/org/name@v9": "the dataset has no such revision",
    "hf://datasets/org/name/gone": "there is no such file or folder",
}


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_have_is_reported_with_the_local_way(path: str) -> None:
    with pytest.raises(
        InputError, match=f"^{path} cannot be read: {REFUSED[path]}. A local copy will do: `hf download"
    ):
        list_files(path, {".parquet"})


def test_a_dataset_whose_terms_were_not_accepted_is_reported(hub: Hub) -> None:
    hub.refusal = "GatedRepo"
    with pytest.raises(InputError, match=r"it has terms of use: accept them .* set HF_TOKEN"):
        scan("hf://datasets/org/name/data/1.parquet")


def test_a_hub_that_cannot_be_reached_is_reported_with_the_local_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    with pytest.raises(InputError) as caught:
        list_files("hf://datasets/org/name@main/data", {".parquet"})
    told = str(caught.value)
    assert f"{NOBODY} cannot be reached from here (" in told
    assert "`hf download org/name --repo-type dataset --local-dir DIR`" in told
    assert told.endswith("then input.path=DIR")


def test_a_torn_file_on_the_hub_is_named(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"more/x/2\.parquet cannot be read as \.parquet"):
        scan("hf://datasets/org/name/more/x/2.parquet")


def test_a_web_address_is_a_file(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    (tmp_path / "a.parquet").write_bytes(parquet())
    with Web(tmp_path) as web:
        (file,) = list_files(web.url("a.parquet"), {".parquet"})
        assert scan(file).select("id").collect()["id"].to_list() == [f"v{n}" for n in range(100)]
        with pytest.raises(InputError, match=r"gone\.parquet cannot be read: .* A local copy will do: input\.path=DIR"):
            scan(web.url("gone.parquet"))


def test_an_address_of_an_unknown_kind_is_reported() -> None:
    with pytest.raises(InputError, match=r"carrier-pigeon://coop: .*carrier-pigeon"):
        list_files("carrier-pigeon://coop", {".csv"})
