"""A dataset in a folder: its card, whom its rows are from, its sample; what is refused, and before what."""

import csv
import re
from pathlib import Path

import polars as pl
import pytest
import yaml
from huggingface_hub import DatasetCard
from support.published import Published
from support.released import SMALL, Release, bytes_of, make_video
from support.runs import planned

from slurm.errors import InputError
from stages.core.runner.pipeline import submit_steps


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A run that is published as the step `publish`."""
    run = Published(tmp_path_factory.mktemp("published"))
    assert run.publish() == 0
    return run


def test_the_card_says_how_it_is_read_and_what_is_in_it(made: Published) -> None:
    head = DatasetCard.load(made.release() / "README.md").data.to_dict()
    assert head["configs"] == [
        {"config_name": "default", "default": True, "data_files": [{"split": "train", "path": "data/*/*.parquet"}]}
    ]
    (info,) = head["dataset_info"]
    assert [feature["name"] for feature in info["features"]] == ["mp4", "json"]
    size = sum(file.stat().st_size for file in made.release().glob("data/*/*"))
    assert info["splits"] == [{"name": "train", "num_bytes": size, "num_examples": 4}]
    assert head["size_categories"] == ["n<1K"]
    card = made.card()
    assert "4 videos" in card
    assert "| Engineering Projects | 4 |" in card
    assert "Mostly test pictures." in card
    assert "not people" not in card
    assert "| 1.0.0 | 2026-12-01 | The first version. | 4 | 4 | 0 |" in card
    assert card.count("```python") == 3


def test_the_funnel_and_thresholds_are_those_of_the_steps(tmp_path: Path) -> None:
    videos = {name: make_video(tmp_path / "in" / f"{name}.mp4", 1.0) for name in ("a", "b", "c")}
    run = Release(tmp_path, videos)
    for number, row in enumerate(run.rows.values()):
        row |= {"duration_s": 1.0 + number, "channel": "C|h`an[nel](x)", "licence": "CC BY-SA 4.0", "language": "no"}
    own = [word for word in run.words() if not word.startswith(("after=", "shard_gb", "format"))]
    rule = ("~rules.frozen", "~rules.luma", "rules.motion.column=duration_s", "rules.motion.min=1.5")
    assert submit_steps(planned("filter", *own, "after=ingest", "step=long", *rule)) == 0
    assert submit_steps(planned("package", *own, "after=long", *SMALL)) == 0
    words = ["run=r", f"runs={tmp_path / 'runs'}", "card.draft=true", "card.title=Long ones", "cluster.executor=debug"]
    assert submit_steps(planned("publish", *words)) == 0
    card = (run.run / "publish" / "release" / "README.md").read_text()
    assert "| long | 3 | 3 videos | 2 (5.0 s) | 66.7 % | motion.min 1 |" in card
    assert "| long | motion | mean of duration_s | ≥ 1.5 |" in card
    assert "![mean of duration_s, of all rows that long judged by motion](plots/score-long-motion.svg)" in card
    head = yaml.safe_load(card.split("---\n")[1])
    assert (head["license"], head["language"]) == ("cc-by-sa-4.0", ["no"])
    assert "- 'no'\n" in card
    picture = (run.run / "publish" / "release" / "plots" / "score-long-motion.svg").read_text()
    assert picture.startswith("<svg")
    assert "var(" not in picture
    assert 'style="background: #ffffff"' in picture


def test_the_code_for_norwegian_is_no_falsehood(made: Published) -> None:
    assert made.publish("norwegian", "card.language=[no,en]") == 0
    assert made.head("norwegian")["language"] == ["no", "en"]


def test_a_version_that_is_read_as_a_number_is_refused(made: Published) -> None:
    with pytest.raises(InputError, match=r"version\.name.*as which 1\.10 is 1\.1: say v1\.1"):
        made.publish("number", "version.name=1.10")


def test_every_row_is_attributed(made: Published) -> None:
    rows = pl.read_parquet(made.release() / "attribution.parquet")
    assert rows.columns == ["config", "id", "channel", "title", "url", "licence", "source"]
    assert rows["id"].to_list() == ["v0", "v1", "v2", "v3"]
    assert set(rows["channel"]) == {"Heavy Metal"}
    assert rows["title"].to_list() == [f"Title of v{n}" for n in range(4)]
    assert "parquet:" not in str(rows.to_dicts())  # an address of this machine is nobody's


def test_the_sample_is_drawn_by_its_seed(made: Published) -> None:
    drawn = {}
    for seed in (1, 2):
        assert made.publish(f"seed{seed}", f"sample.seed={seed}", "sample.rows=2") == 0
        with (made.release(f"seed{seed}") / "sample" / "sample.csv").open(newline="") as file:
            drawn[seed] = list(csv.DictReader(file))
    assert [len(rows) for rows in drawn.values()] == [2, 2]
    assert [row["id"] for row in drawn[1]] != [row["id"] for row in drawn[2]]
    for row in drawn[1]:
        content = (made.release("seed1") / "sample" / row["file"]).read_bytes()
        assert content == (made.folder / "videos" / f"{row['id']}.mp4").read_bytes()


def test_it_has_the_same_bytes_again(made: Published, tmp_path: Path) -> None:
    other = made.copy(tmp_path / "copy")
    files = bytes_of(made.release())
    assert other.publish("publish", "overwrite=[publish]") == 0
    assert bytes_of(other.release()) == files


def test_the_terms_of_the_source_come_along(made: Published, tmp_path: Path) -> None:
    head = made.head()
    assert "FineVideo" in str(head["extra_gated_prompt"])
    assert "checkbox" in str(head["extra_gated_fields"])
    other = made.copy(tmp_path / "own")
    own = "---\nextra_gated_prompt: Be good.\nextra_gated_fields:\n  Name: text\n---\nText\n"
    (other.source / "README.md").write_text(own)
    assert other.publish("own") == 0
    assert str(other.head("own")["extra_gated_prompt"]).endswith("Be good.")
    assert other.head("own")["extra_gated_fields"].items() >= {"Name": "text"}.items()  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "### Who is shown\n<!-- nobody has\nlooked -->\n"])
def test_nothing_is_published_before_biases_are_written(made: Published, text: str) -> None:
    path = made.folder / "empty.md"
    path.write_text(text)
    with pytest.raises(InputError, match=r"card\.biases=.*is not filled in.*card\.draft=true"):
        made.publish("refused", f"card.biases={path}")
    with pytest.raises(InputError, match="is not filled in"):
        submit_steps(planned("publish", "run=r", f"runs={made.folder}", "step=refused"))
    assert not (made.run / "refused").exists()
    assert made.publish("draft", f"card.biases={path}", "card.draft=true", "overwrite=[draft]") == 0
    assert "**Draft.**" in made.card("draft")


def test_a_title_with_a_nul_is_told_without_it(tmp_path: Path) -> None:
    run = Release(tmp_path, {"v0": make_video(tmp_path / "in" / "v0.mp4")})
    run.rows["v0"] |= {"title": "before\0after", "url": "https://me:secret@site.test/v0"}
    run.pack()
    words = ["run=r", f"runs={tmp_path / 'runs'}", "card.draft=true", "cluster.executor=debug"]
    assert submit_steps(planned("publish", *words)) == 0
    release = run.run / "publish" / "release"
    rows = pl.read_parquet(release / "attribution.parquet")
    assert rows.select("title", "url").row(0) == ("beforeafter", "https://***@site.test/v0")
    assert "The texts of 1 row held a NUL character" in (release / "README.md").read_text()
    assert all(b"\0" not in content for name, content in bytes_of(release).items() if name.endswith((".md", ".csv")))


def test_two_steps_are_two_configs_in_folders_of_their_own(made: Published) -> None:
    made.pack("step=few", "chunks.size=4")
    both = "after=[package,few]"
    for folders in (
        "folders={few: data, package: data}",
        "folders={few: a/b, package: a}",
        "folders={few: '', package: x}",
    ):
        assert made.publish(f"one{len(folders)}", both, folders) == 1
        assert "two configs into one folder" in made.failure(f"one{len(folders)}")
        assert not made.release(f"one{len(folders)}").exists()
    assert made.publish("two", both) == 0
    configs = made.head("two")["configs"]
    assert [config["data_files"][0]["path"] for config in configs] == [  # type: ignore[attr-defined]
        "package/data/*/*.parquet",
        "few/data/*/*.parquet",
    ]
    rows = pl.read_parquet(made.release("two") / "attribution.parquet")
    assert rows["config"].to_list() == ["package"] * 4 + ["few"] * 4


def test_what_is_read_in_two_ways_is_no_one_dataset(made: Published) -> None:
    made.pack("step=tars", "format=webdataset", "format.media=path")
    assert made.publish("mixed", "after=[package,tars]") == 1
    assert "package is read as parquet, tars as webdataset" in made.failure("mixed")


@pytest.mark.parametrize(
    ("fault", "words"), [("gone", "files are gone, the first is data/"), ("changed", "its SHA-256")]
)
def test_a_shard_that_is_gone_or_damaged_is_told(made: Published, tmp_path: Path, fault: str, words: str) -> None:
    other = made.copy(tmp_path / "copy")
    shard = sorted((other.run / "package" / "media").glob("data/*/*"))[0]
    if fault == "gone":
        shard.unlink()
    else:
        content = bytearray(shard.read_bytes())
        content[-200] ^= 1
        shard.write_bytes(content)
    assert other.publish("again", "sample.rows=0") == 1
    assert words in other.failure("again")
    assert "overwrite=" in other.failure("again")


def test_the_next_version_counts_what_came_and_went(made: Published, tmp_path: Path) -> None:
    other = made.copy(tmp_path / "copy")
    where = ["step=package", "overwrite=[package]", "format=folder", "format.where=original_video_filename != 'v1.mp4'"]
    words = [word for word in other.words if not word.startswith(("overwrite", "shard"))]
    own = ["run=r", f"runs={other.folder}", *words, "cluster.executor=debug"]
    assert submit_steps(planned("package", *own, *where)) == 0
    assert other.publish("publish", "overwrite=[publish]") == 1
    assert "version.name=1.0.0 is published already" in other.failure("publish")
    assert other.publish("publish", "overwrite=[publish]", "version.name=1.1.0", "version.change=Without one.") == 0
    assert "| 1.1.0 | 2026-12-01 | Without one. | 3 | 0 | 1 |\n| 1.0.0 | 2026-12-01 |" in other.card()
    assert (other.row()["rows_added"], other.row()["rows_removed"]) == (0, 1)
    assert "Older revisions of this repository still hold rows that were removed" in other.card()
    (kept,) = (other.run / "publish" / "history").glob("*.parquet")
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in pl.read_parquet(kept)["hash"])
    assert not [name for name in bytes_of(other.release()) if name.startswith("data/")]
