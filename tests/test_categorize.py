"""Videos get one category each: by embeddings, by servers that answer, by both; what is none is an error."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.hub import COMMIT, Hub
from support.runs import command

from slurm.record.files import hash_files
from slurm.record.manifest import Step
from stages.core.models.embedded.untrained import save

TAXONOMY = """
Listening: {Music: {Rock & roll: guitars, Jazz: with a swing}}
Eating: {Food: {Recipes: cooking, Tastings: eating}}
"""
LABELS = ["Rock & roll", "Jazz", "Recipes", "Tastings"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights: of language, and of sentences."""
    folder = tmp_path_factory.mktemp("model")
    save(folder)
    return folder


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run over twelve videos, of which one has no words."""
    folder = tmp_path_factory.mktemp("ingested")
    table = pl.DataFrame(
        {
            "video_id": [f"v{n:02d}" for n in range(12)],
            "url": [f"http://host/{n}.mp4" for n in range(12)],
            "title": [f"Recipes, part {n}" for n in range(11)] + [None],
            "transcript": [None] + ["cut the onions, heat the oil " * 2000] + [None] * 10,
        }
    )
    table.write_parquet(folder / "videos.parquet")
    ingest = command("stages.ingest", f"runs={folder}", "run=r", f"input.path={folder}/videos.parquet", "source=urls")
    assert ingest.returncode == 0, ingest.stderr
    return folder / "r"


@pytest.fixture
def videos(tmp_path: Path, ingested: Path) -> list[str]:
    """Words for a stage over these videos, in a copy of the run."""
    shutil.copytree(ingested, tmp_path / "runs" / "r")
    (tmp_path / "taxonomy.yaml").write_text(TAXONOMY)
    return [
        f"runs={tmp_path}/runs",
        "run=r",
        f"categories={tmp_path}/taxonomy.yaml",
        "after=ingest",
    ]


def categorize(tmp_path: Path, *words: str) -> pl.DataFrame:
    """The rows of a run of the stage, which must succeed."""
    done = command("stages.categorize", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = Step(tmp_path / "runs" / "r", "categorize").scan()
    assert rows is not None
    return rows.collect()


def test_by_embeddings_every_video_with_words_gets_a_category(tmp_path: Path, videos: list[str], model: Path) -> None:
    found = categorize(tmp_path, *videos, f"embedding.model={model}", "top_k=2")
    good = found.filter(pl.col("error").is_null())
    assert len(good) == 11
    assert set(good["category"]) <= set(LABELS)
    assert good["nearest"].list.len().unique().to_list() == [2]
    assert good["nearest"].list.first().equals(good["category"].alias("nearest"))
    assert good["confidence"].is_between(0.25, 1).all()
    assert good["category_by"].unique().to_list() == ["embedding"]
    assert found.filter(pl.col("error") == "no_words")["video_id"].to_list() == ["v11"]
    first = good["category"][0]
    other = next(label for label in LABELS if label != first)
    (tmp_path / "labels.csv").write_text(f"id,category\nv00,{first}\nv01,{other}\nv11,{other}\nv77,{other}\n")
    said = command("scripts.categorize_eval", *videos[:2], f"labels={tmp_path}/labels.csv")
    assert said.returncode == 0, said.stderr
    right = int(good["category"][1] == other)
    assert f"{1 + right} of 4 right" in said.stdout
    assert "(no_words)" in said.stdout
    assert "(not in the step)" in said.stdout


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    """A Hub that has the model twice, once with weights that no disk has room for."""
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    huge = files | {"huge.safetensors": b""}
    with Hub({}, models={"org/small": files, "org/huge": huge}, claims={"huge.safetensors": 10**18}) as made:
        yield made


def test_a_model_is_kept_where_the_site_says_and_that_decides_no_result(
    tmp_path: Path, videos: list[str], hub: Hub
) -> None:
    env, at = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}, f"cluster.hub_cache={tmp_path}/kept"
    words = [*videos, "embedding.model=org/small"]
    done = command("stages.categorize", *words, at, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "kept" / "models--org--small" / "snapshots" / COMMIT / "model.safetensors").exists()
    assert not (tmp_path / "home" / "hub").exists()
    rows = Step(tmp_path / "runs" / "r", "categorize").scan()
    assert rows is not None
    found = rows.collect().filter(pl.col("error").is_null())
    assert found.select("category_model", "category_revision").unique().rows() == [("org/small", COMMIT)]
    assert str(tmp_path) not in found.write_ndjson()
    again = command("stages.categorize", *words, f"cluster.hub_cache={tmp_path}/elsewhere", env=env)
    assert (again.returncode, "1/1 chunks done" in again.stdout) == (0, True), again.stderr


@pytest.mark.parametrize("more", [(), ("dry_run=true",)])
def test_a_model_without_room_is_told_before_anything_is_written(
    tmp_path: Path, videos: list[str], hub: Hub, more: tuple[str, ...]
) -> None:
    words = [*videos, "embedding.model=org/huge", "embedding.fallback=untrained", f"cluster.hub_cache={tmp_path}/kept"]
    refused = command("stages.categorize", *words, *more, env={"HF_ENDPOINT": hub.url})
    assert refused.returncode == 2
    assert f"{tmp_path}/kept, which has" in refused.stderr
    assert "cluster.hub_cache=DIR" in refused.stderr
    assert not (tmp_path / "kept").exists()
    assert not (tmp_path / "runs" / "r" / "categorize").exists()


@pytest.mark.slow
def test_servers_keep_their_weights_where_the_site_says(tmp_path: Path, videos: list[str]) -> None:
    script = "echo kept in $HF_HUB_CACHE, $0; exec $0 -m support.model_server $@"
    words = [*videos, "method=generate", *standing_in(), f"engine.command=[sh,-c,'{script}','{{python}}']"]
    categorize(tmp_path, *words, f"cluster.hub_cache={tmp_path}/kept")
    (log,) = (tmp_path / "runs" / "r" / "pools" / "text" / "logs").glob("*.engine.log")
    assert f"kept in {tmp_path}/kept," in log.read_text()


@pytest.mark.slow
def test_by_the_embedded_engine_every_answer_is_a_category_whatever_its_weights(
    tmp_path: Path, videos: list[str], model: Path
) -> None:
    words = [*videos, "method=generate", f"pool.model={model}", "pool.host=127.0.0.1", "levels=2"]
    found = categorize(tmp_path, *words)
    good = found.filter(pl.col("error").is_null())
    assert len(good) == 11
    assert set(good["category"]) <= set(LABELS)
    assert good["category_raw"].equals(good["category"].alias("category_raw"))
    assert good["confidence"].is_between(0, 1).all()
    named = good.select("category_model", "category_revision").unique().rows()
    assert named == [(model.name, hash_files([model / "model.safetensors"]))]
    assert str(model) not in found.write_ndjson()
    assert good["prompt"].str.len_chars().unique().to_list() == [16]
    assert (good["tokens_out"] > 0).all()
    done = Step(tmp_path / "runs" / "r", "categorize").done(0)
    assert done is not None
    assert done.counters is not None
    assert done.counters["answers"] == done.counters["topics_answers"] == 11
    assert done.counters["tokens_out"] >= good["tokens_out"].sum() > 0
    again = command("stages.categorize", *words)
    assert "1/1 chunks done" in again.stdout


@pytest.mark.slow
def test_a_cascade_asks_only_where_embeddings_are_unsure(tmp_path: Path, videos: list[str], model: Path) -> None:
    by = [f"embedding.model={model}", *standing_in()]
    sure = categorize(tmp_path, *videos, *by, "method=cascade", "margin=0")
    assert sure.filter(pl.col("error").is_null())["category_by"].unique().to_list() == ["embedding"]
    unsure = categorize(tmp_path, *videos, *by, "method=cascade", "margin=9", "overwrite=categorize")
    good = unsure.filter(pl.col("error").is_null())
    assert good["category_by"].unique().to_list() == ["generate"]
    assert good["nearest"].list.len().unique().to_list() == [3]


def standing_in(*options: str) -> list[str]:
    """Words for servers without a model (support/model_server.py)."""
    quoted = ",".join(f'"{word}"' for word in ("{python}", "-m", "support.model_server", *options))
    return ["pool.model=test/model", "pool.host=127.0.0.1", f"engine.command=[{quoted}]"]


@pytest.mark.slow
def test_an_answer_that_is_no_category_is_an_error(tmp_path: Path, videos: list[str]) -> None:
    words = [*videos, "method=generate", *standing_in("--wordy"), "chunks.max_error_share=1"]
    found = categorize(tmp_path, *words)
    assert found.group_by("error").len().sort("error").rows() == [("no_words", 1), ("off_taxonomy", 11)]


@pytest.mark.slow
def test_where_no_model_is_to_be_had_it_says_so_or_takes_one_that_knows_nothing(
    tmp_path: Path, videos: list[str]
) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    refused = command("stages.categorize", *videos, env=offline)
    assert refused.returncode == 2
    assert "hf download sentence-transformers/all-MiniLM-L6-v2" in refused.stderr
    assert not (tmp_path / "runs" / "r" / "categorize").exists()
    more = ["step=demo", "embedding.fallback=untrained"]
    assert command("stages.categorize", *videos, *more, env=offline).returncode == 0
    rows = Step(tmp_path / "runs" / "r", "demo").scan()
    assert rows is not None
    named = rows.filter(pl.col("error").is_null()).collect()["category_model"]
    assert named.unique().to_list() == ["untrained-demo"]
    wrong = command(
        "stages.categorize", *videos, "step=wrong", more[1], f"embedding.model={tmp_path}/none", env=offline
    )
    assert wrong.returncode == 2
    assert "there is no such folder" in wrong.stderr
