"""The data of the explorer: every row is in its chunks, whatever its size, and a rerun gives the same bytes."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from support.explored import add, explored_run

from scripts.bench.inputs.explored import make
from slurm.record.manifest import Step
from slurm.record.manifest import steps as steps_of
from slurm.table import read_table
from stages.core.explorer.chunks import chunk_path, column_path, dump, pack
from stages.core.explorer.write import write_explorer
from stages.core.schema.catalogue import CATALOGUE
from stages.core.schema.types import TEXT


def read(folder: Path, name: str) -> Any:
    text = (folder / "data" / name).read_text(encoding="utf-8")
    return json.loads(json.loads(text.removeprefix("take(").removesuffix(");\n")))


def column(folder: Path, index: dict[str, Any], name: str) -> list[Any]:
    facet = next((one for one in index["facets"] if one["name"] == name), None)
    about = facet or next(one for one in index["scores"] if one["name"] == name)
    chunks = [read(folder, column_path(about["column"], n)) for n in range(-(-index["rows"] // index["chunk"]))]
    values = np.frombuffer(b"".join(map(b64decode, chunks)), "<u2" if facet else "<f4").tolist()
    return [{code: label for code, label, _ in facet["labels"]}.get(value) for value in values] if facet else values


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The explorer of 9,000 clips, which are more than two blocks; the run has chunks of 2,000 videos."""
    run = tmp_path_factory.mktemp("many") / "run"
    make(run, 9000, 10)
    write_explorer(run / "explorer", [Step(run, name) for name in steps_of(run)], 100, None)
    return run / "explorer"


def test_every_row_is_in_its_chunks(many: Path) -> None:
    index = read(many, "index.js")
    cards = [card for n in range(-(-9000 // index["cards"])) for card in read(many, chunk_path("cards", n))]
    assert index["rows"] == len(cards) == len({card[0] for card in cards}) == 9000
    details = {n: read(many, chunk_path("details", n)) for n in sorted({card[8] for card in cards})}
    assert [detail["id"] for n in details for detail in details[n]] == [card[0] for card in cards]
    texts = [text for n in range(3) for text in read(many, chunk_path("texts", n))]
    assert all(text.startswith(card[0]) for text, card in zip(texts, cards, strict=True))
    pictured = set(read_table(many.parent, "ingest").collect()["video_id"].head(10))
    assert [card[7] for card in cards] == [
        n < 100 and card[0].split("_")[0] in pictured for n, card in enumerate(cards)
    ]


def test_columns_say_of_each_row_what_the_tables_say(many: Path) -> None:
    index, run = read(many, "index.js"), many.parent
    ids = [card[0] for n in range(-(-9000 // index["cards"])) for card in read(many, chunk_path("cards", n))]
    verdicts = pl.DataFrame({"clip_id": ids}).join(
        read_table(run, "filter").collect(), on="clip_id", maintain_order="left"
    )
    assert column(many, index, "reason") == verdicts["drop_reason"].to_list()
    assert column(many, index, "outcome") == ["kept" if r is None else "dropped" for r in verdicts["drop_reason"]]
    spans = pl.DataFrame({"clip_id": ids}).join(read_table(run, "split").collect(), on="clip_id", maintain_order="left")
    motion = spans["motion"].list.mean().to_list()
    assert column(many, index, "motion") == pytest.approx(motion, rel=1e-6)
    labels = next(facet["labels"] for facet in index["facets"] if facet["name"] == "category")
    assert sum(rows for _, _, rows in labels) == 9000


def test_a_rerun_gives_the_same_bytes_in_place_of_the_old_ones(tmp_path: Path) -> None:
    steps = explored_run(tmp_path / "run")
    folder = tmp_path / "run" / "report" / "explorer"
    assert write_explorer(folder, steps, 100, None) == 5
    before = bytes_of(folder)
    (folder / "data" / "old.js").touch()
    assert write_explorer(folder, steps, 100, None) == 5
    assert bytes_of(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["explorer"]


def test_posters_are_bounded_and_kept_rows_have_them_first(tmp_path: Path) -> None:
    write_explorer(tmp_path / "e", explored_run(tmp_path / "run"), 2, None)
    cards = read(tmp_path / "e", chunk_path("cards", 0))
    assert [card[7] for card in cards] == [1, 1, 0, 0, 0]
    assert len(list((tmp_path / "e" / "posters").rglob("*.jpg"))) == 1


def test_a_run_of_nothing_but_a_catalogue_has_a_page(tmp_path: Path) -> None:
    step = add(tmp_path / "run", "ingest", CATALOGUE, [{"video_id": "a", "title": "x", "views": 3}, {"video_id": "b"}])
    assert write_explorer(tmp_path / "e", [step], 10, None) == 2
    assert [card[1] for card in read(tmp_path / "e", chunk_path("cards", 0))] == ["x", "b"]
    empty = add(tmp_path / "none", "ingest", CATALOGUE, [])
    assert write_explorer(tmp_path / "n", [empty], 10, None) == 0
    assert read(tmp_path / "n", "index.js")["rows"] == 0
    assert write_explorer(tmp_path / "z", [], 10, None) == 0


def test_of_videos_that_were_dropped_the_step_and_its_reason_are_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = add(run, "ingest", CATALOGUE, [{"video_id": v} for v in "abc"])
    rows = [{"video_id": "a"}, {"video_id": "b", "drop_reason": "words.min"}]
    second = add(run, "speech", {"video_id": TEXT, "drop_reason": TEXT}, rows, ("ingest",), stage="filter")
    write_explorer(tmp_path / "e", [first, second], 0, None)
    cards = [(card[0], card[2], card[3]) for card in read(tmp_path / "e", chunk_path("cards", 0))]
    assert cards == [("a", 0, None), ("b", 1, "words.min"), ("c", 1, "not in speech")]
    details = read(tmp_path / "e", chunk_path("details", 0))
    assert [detail["steps"][-1][:3] for detail in details] == [
        [1, "kept", None],
        [1, "dropped", "words.min"],
        [0, "kept", None],
    ]


def test_numbers_that_are_none_are_null_and_text_stays_as_it_is() -> None:
    assert (
        dump({"a": float("nan"), "b": [float("inf"), 1.0], "é\x00\u2028": "\ufffd"})
        == '{"a":null,"b":[null,1.0],"é\\u0000\u2028":"\ufffd"}'
    )
    assert np.isnan(np.frombuffer(b64decode(pack(pl.Series([None, 1.5], dtype=pl.Float32))), "<f4")[0])
