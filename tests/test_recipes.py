"""Recipes, whole, over a tiny corpus: the release is what the list was, with what the models say now."""

from pathlib import Path

import polars as pl
import pytest
from support.annotator import started
from support.pools import model_server
from support.recipes import SPANS, finevideo, lvd2m, make_film, video_dataset_scripts
from support.runs import command
from support.trainers import read_ltx
from support.web import Web

from slurm.table import read_table


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "one.mp4")


def test_lvd2m_describes_its_clips_anew_and_gives_its_own_columns(tmp_path: Path, film: Path) -> None:
    with Web(film.parent) as web, model_server() as server:
        words = [*lvd2m(tmp_path, film, web, server), "steps.filter.rules.flow.min=0"]
        done = command("stages", *words, "run=r", f"runs={tmp_path}", "cluster.executor=debug")
    assert done.returncode == 0, done.stdout + done.stderr
    clips = read_table(tmp_path / "r", "split").collect()
    assert clips.select("clip_id", "start_s", "end_s", "border_inside", "drop_reason").rows() == [
        ("one_0", 0.4, 2.4, False, None),
        ("one_1", 4.0, 5.6, True, None),
        ("one_2", 8.0, 8.0, False, "outside"),
    ]
    (file,) = (tmp_path / "r" / "package" / "media").rglob("*.csv")
    released = pl.read_csv(file)
    assert released.select("key", "span", "orig_caption").rows() == [
        ("one_0", str([*SPANS[0]]), "first"),
        ("one_1", str(["0:00:04.000", "0:00:05.600"]), "first"),
    ]
    assert released["raw_caption"].to_list() == released["rewritten_caption"].to_list() == ["seconds."] * 2
    flows = read_table(tmp_path / "r", "motion_flow").collect()["flow"].to_list()
    assert released["total score"].to_list() == pytest.approx(flows[:2])


def test_finevideo_annotates_what_it_chose_and_gives_its_own_fields(tmp_path: Path, film: Path) -> None:
    with model_server() as labeller, started() as annotator:
        words = [*finevideo(tmp_path / "videos", film, labeller, annotator), "steps.balance.hours=0.0023"]
        done = command("stages", *words, "run=r", f"runs={tmp_path}", "cluster.executor=debug")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (tmp_path / "r" / "package" / "media" / "data").rglob("*.parquet")
    (row,) = pl.read_parquet(file).to_dicts()
    assert row["mp4"] == film.read_bytes()
    known = row["json"]
    assert (known["youtube_title"], known["youtube_categories"], known["resolution"]) == (
        "A film",
        ["Education"],
        "192x108",
    )
    scenes = known["content_metadata"]["scenes"]
    assert [scene["timestamps"]["start_timestamp"] for scene in scenes] == ["00:00:00.000", "00:00:04.000"]
    assert known["content_fine_category"]


def test_video_dataset_scripts_gives_a_table_of_scored_clips_and_a_folder_for_a_trainer(
    tmp_path: Path, film: Path
) -> None:
    shot_types = (
        "+stage@steps.shot_types=describe_frames", "steps.shot_types.tasks=[color,lighting,lighting_type,composition]",
        "steps.filter.after=[split,score_frames,describe_frames,shot_types]",
        *(f"steps.shot_types.florence.{word}" for word in (f"model={tmp_path}/models/florence", "max_tokens=12")),
    )  # fmt: skip
    words = [*video_dataset_scripts(tmp_path, film), *shot_types, "steps.filter.rules.aesthetic.min=-99,99"]
    done = command("stages", "-m", *words, "run=r", f"runs={tmp_path}", "cluster.executor=debug")
    assert done.returncode == 0, done.stdout + done.stderr
    run, point = tmp_path / "r", "@filter.rules.aesthetic.min=-99"
    media = run / f"clips{point}" / "media"
    table = pl.read_parquet(media / "data" / "*" / "*.parquet")
    assert table.select("start_s", "end_s").rows() == [(0.0, 4.0), (4.0, 8.0)]
    lists = table.select(pl.selectors.by_dtype(pl.List(pl.Float64), pl.List(pl.String)))
    assert len(lists.columns) == 11
    assert lists.select(pl.all().list.drop_nulls().list.len()).unique().rows() == [(3,) * 11], "of three key frames"
    scores, texts = (read_table(run, step).collect() for step in ("score_frames", "describe_frames"))
    assert table["aesthetic_score"].explode().to_list() == scores["aesthetic"].to_list()
    assert table["detailed_caption"].explode().to_list() == texts["detailed_caption"].to_list()
    assert all((media / file).stat().st_size for file in [*table["file"], *table["frames"].explode()])
    folder = run / f"trainer{point}" / "media"
    samples = read_ltx(folder / "train")
    assert [sample.video.read_bytes() for sample in samples] == [(media / file).read_bytes() for file in table["file"]]
    for sample, captions in zip(samples, table["detailed_caption"], strict=True):
        lines = [" ".join(["DIFF_crush", *caption.split()]) for caption in captions if caption.split()]
        assert sample.caption == lines[len(lines) // 2]
    assert pl.read_csv(folder / "clips.csv")["bucket"].to_list() == ["768x512x49"] * 2
