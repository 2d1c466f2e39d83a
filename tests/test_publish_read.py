"""What was published is read where people train: by datasets, webdataset, polars, pyarrow, and by the card's code."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow.dataset as pd
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfFileSystem
from support.hub_server import HubServer
from support.published import Published
from support.released import known


class Read(NamedTuple):
    """A Hub with the datasets me/finevideo and me/webdataset, of the same videos, and the run that made them."""

    hub: HubServer
    made: Published


FORMATS = {
    "finevideo": ["format=finevideo", "format.row_group_mb=0.05"],
    "webdataset": ["format=webdataset", "format.media=path"],
}


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    with HubServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.env.items():
            patch.setenv(name, value)
        made = Published(tmp_path_factory.mktemp("read"))
        for name, words in FORMATS.items():
            made.pack(f"step={name}", *words)
            assert made.publish(f"to-{name}", f"after={name}", f"hub.repo=me/{name}") == 0
        yield Read(server, made)


def run_code(hub: HubServer, code: str, folder: Path) -> str:
    """What a program prints, as a process of its own that knows this Hub alone."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **hub.env, "HF_HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_the_code_of_the_card_runs_as_it_stands(read: Read, tmp_path: Path, name: str) -> None:
    codes = re.findall(r"```python\n(.*?)```", read.made.card(f"to-{name}"), flags=re.DOTALL)
    assert len(codes) == 3
    missing = [library for library in ("datasets", "webdataset") if find_spec(library) is None]
    runnable = [code for code in codes if not any(f"import {one}" in code or f"from {one}" in code for one in missing)]
    said = run_code(read.hub, "\n".join(runnable), tmp_path)
    assert len(said.splitlines()) >= len(runnable) - 1
    videos = {file.read_bytes() for file in (read.made.folder / "videos").iterdir()}
    written = [file.read_bytes() for file in tmp_path.glob("*.mp4")]
    assert set(written) <= videos
    assert len(written) == sum("write_bytes" in code for code in runnable)


LOAD = """
import json
from datasets import load_dataset
for address in ADDRESSES:
    for streaming in (True, False):
        data = load_dataset(address, split="train", streaming=streaming)
        print(json.dumps([[row["json"], len(row["mp4"])] for row in data]))
"""


@pytest.mark.skipif(find_spec("datasets") is None, reason="the extra dev brings it")
def test_datasets_reads_every_field_from_the_hub_and_from_the_folder(read: Read, tmp_path: Path) -> None:
    addresses = ["me/finevideo", str(read.made.release("to-finevideo"))]
    said = run_code(read.hub, LOAD.replace("ADDRESSES", repr(addresses)), tmp_path)
    videos = sorted((read.made.folder / "videos").iterdir())
    expected = [[known(video.stem), video.stat().st_size] for video in videos]
    assert [json.loads(line) for line in said.splitlines()] == [expected] * 4


def test_polars_and_pyarrow_read_every_field(read: Read) -> None:
    videos = sorted((read.made.folder / "videos").iterdir())
    expected = [known(video.stem) for video in videos]
    folder = read.made.release("to-finevideo")
    table = pd.dataset(sorted(map(str, folder.glob("data/*/*.parquet")))).to_table()
    assert table["json"].to_pylist() == expected
    assert table["mp4"].to_pylist() == [video.read_bytes() for video in videos]
    rows = pl.scan_parquet(folder / "data/*/*.parquet").collect()
    assert rows["json"].to_list() == expected
    remote = HfFileSystem(endpoint=read.hub.url, token="hf_test")
    files = remote.glob("datasets/me/finevideo/data/*/*.parquet")
    assert pq.read_table(files, filesystem=remote, columns=["json"])["json"].to_pylist() == expected


@pytest.mark.skipif(find_spec("webdataset") is None, reason="the extra dev brings it")
def test_webdataset_reads_every_sample(read: Read) -> None:
    import webdataset

    shards = sorted(map(str, read.made.release("to-webdataset").glob("data/*/*.tar")))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    videos = sorted((read.made.folder / "videos").iterdir())
    assert [sample["__key__"] for sample in samples] == [video.stem for video in videos]
    assert [sample["mp4"] for sample in samples] == [video.read_bytes() for video in videos]
    assert json.loads(samples[0]["json"])["title"] == "Title of v0"


def test_one_video_is_read_without_the_others(read: Read) -> None:
    remote = HfFileSystem(endpoint=read.hub.url, token="hf_test")
    index = pl.concat(
        pl.read_parquet(io.BytesIO(remote.cat_file(file)))
        for file in remote.glob("datasets/me/finevideo/index/*/*.parquet")
    )
    place = index.row(by_predicate=pl.col("id") == "v2", named=True)
    begin, path = place["offset"], f"datasets/me/finevideo/{place['file']}"
    content = remote.cat_file(path, start=begin, end=begin + place["bytes"])
    assert content == (read.made.folder / "videos" / "v2.mp4").read_bytes()
