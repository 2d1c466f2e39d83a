"""Other datasets: what can be compared is read, what cannot is told by its key."""

from pathlib import Path

import polars as pl
import pytest
from support.hashed import config, found, hash_table, some_hashes
from support.steps import finish, made_step

from slurm.errors import InputError
from stages.core.dedup.against import read_against

VIDEOS = {"a": some_hashes(6, 1), "b": some_hashes(6, 2)}


def write(folder: Path, table: pl.DataFrame) -> str:
    table.write_parquet(folder / "other.parquet")
    return str(folder / "other.parquet")


def test_hashes_that_dedup_wrote_are_read(tmp_path: Path) -> None:
    known = read_against(config(against=[write(tmp_path, found(VIDEOS)["hashes"])]))
    assert known.ids.to_list() == ["a", "b"]
    assert known.moments["hash"].to_list() == [*VIDEOS["a"], *VIDEOS["b"]]


def test_those_of_analyze_are_read_without_plain_pictures(tmp_path: Path) -> None:
    table = pl.concat([hash_table({"a": VIDEOS["a"]}), hash_table({"b": VIDEOS["b"]}, contrast=0.01)])
    assert read_against(config(against=[write(tmp_path, table)])).ids.to_list() == ["a"]


def test_a_step_of_another_run_is_read(tmp_path: Path) -> None:
    step = made_step(tmp_path / "r", "analyze", n=1, tables={"hashes": {}})
    rows = pl.DataFrame({"video_id": [*VIDEOS]}).with_columns(error=pl.lit(None, pl.String), value=pl.lit("x"))
    place = str(tmp_path / "r" / "analyze")
    with pytest.raises(InputError, match="the step is not finished"):
        read_against(config(against=[place]))
    finish(step, 0, rows, hashes=hash_table(VIDEOS))
    assert read_against(config(against=[place])).ids.to_list() == ["a", "b"]


def test_sha256_and_embeddings_are_read_if_their_methods_are_asked(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "clip_id": ["a", "a", "b"],
            "sha256": ["x", "x", None],
            "embedding": pl.Series([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]], dtype=pl.List(pl.Float16)),
            "models": [["embed m@1"]] * 3,
        }
    )
    known = read_against(config(methods=["exact", "semantic"], against=[write(tmp_path, table)]))
    assert known.files["sha256"].to_list() == ["x", "x"]
    assert known.vectors["id"].to_list() == ["a", "b"]
    assert known.vectors["embedding"].list.get(0).to_list() == pytest.approx([0.707, 0.0], abs=1e-3)
    assert known.vectors["model"].to_list() == ["embed m@1"] * 2


@pytest.mark.parametrize("version", [0, 99, None])
def test_hashes_of_another_version_are_refused(version: int | None, tmp_path: Path) -> None:
    place = write(tmp_path, hash_table(VIDEOS).with_columns(version=pl.lit(version, pl.Int64)))
    with pytest.raises(InputError, match=r"against=.*other.parquet: hashes of version"):
        read_against(config(against=[place]))
    place = write(tmp_path, hash_table(VIDEOS).drop("version"))
    with pytest.raises(InputError, match=r"version \(not said\)"):
        read_against(config(against=[place]))


def test_a_place_without_anything_to_compare_is_refused(tmp_path: Path) -> None:
    place = write(tmp_path, pl.DataFrame({"video_id": ["a"], "sha256": ["x"]}))
    with pytest.raises(InputError, match=r"no table with hash, as methods=\['perceptual'\] need"):
        read_against(config(against=[place]))
    with pytest.raises(InputError, match="neither a Parquet file nor a step of a run"):
        read_against(config(against=[str(tmp_path / "none")]))
    (tmp_path / "words.parquet").write_text("words")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_against(config(against=[str(tmp_path / "words.parquet")]))
