"""The stage balance in real runs: over videos and clips, in extensions and sweeps, behind a former release."""

from pathlib import Path

import polars as pl
import pytest
from support.choosing import catalogue, hours
from support.runs import command, planned
from support.steps import finish, made_step

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.runner.pipeline import submit_steps

SOURCE = ("source=urls", "cluster.executor=debug")
OWN = ("after=ingest", "columns.category=language")  # a list has no categories


class Run:
    """A run of a list of made-up videos, whose languages are their categories."""

    def __init__(self, folder: Path, rows: pl.DataFrame) -> None:
        self.folder, self.list = folder, folder / "list.parquet"
        self.words = ("run=r", f"runs={folder}", *SOURCE, f"input.path={self.list}")
        self.hold(rows)
        assert submit_steps(planned("ingest", *self.words)) == 0

    def hold(self, rows: pl.DataFrame) -> None:
        path = pl.format("{}.mp4", "video_id")
        rows.rename({"category": "language"}).with_columns(path=path).write_parquet(self.list)

    def balance(self, *words: str, step: str = "balance") -> int:
        return submit_steps(planned("balance", *self.words, *OWN, f"step={step}", *words))

    def extend(self) -> None:
        assert submit_steps(planned("ingest", *self.words, "extend=true")) == 0

    def rows(self, step: str = "balance") -> pl.DataFrame:
        return read_table(self.folder / "r", step, catalogue=True).collect()

    def chosen(self, step: str = "balance") -> list[str]:
        return read_table(self.folder / "r", step, kept=True).collect()["video_id"].to_list()

    def categories(self, step: str = "balance") -> pl.DataFrame:
        return read_table(self.folder / "r", step, "categories").collect()


@pytest.fixture
def videos(tmp_path: Path) -> Run:
    return Run(tmp_path, catalogue(600, 1))


def test_every_row_is_chosen_or_says_why_not(videos: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert videos.balance("hours=10") == 0
    rows = videos.rows()
    assert rows["video_id"].to_list() == [f"v{n:06d}" for n in range(600)]
    assert (rows["drop_reason"].is_null() == rows["chosen_by"].is_not_null()).all()
    kept = rows.filter(pl.col("drop_reason").is_null())
    assert hours(kept) == pytest.approx(10, rel=0.01)
    done = Step(videos.folder / "r", "balance").all_done()[0]
    assert (done.rows_in, done.rows_out, done.rows_kept, done.rows_failed) == (600, 600, len(kept), 0)
    assert f"of 10.00 hours chosen: {len(kept)} rows of 5 categories" in capsys.readouterr().out
    assert videos.categories()["chosen_rows"].sum() == len(kept)


def test_the_same_command_again_does_nothing_and_another_target_is_refused(videos: Run) -> None:
    assert videos.balance("hours=10") == 0
    before = Step(videos.folder / "r", "balance").all_done()
    assert videos.balance("hours=10") == 0
    assert Step(videos.folder / "r", "balance").all_done() == before
    with pytest.raises(InputError, match=r"config.hours: 10.0 → 20.0"):
        videos.balance("hours=20")


def test_a_target_beyond_supply_is_done_and_says_what_is_missing_and_where(
    videos: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert videos.balance("hours=500", "shares={category 1: 0}") == 0
    rows = videos.rows()
    there = hours(rows.filter(pl.col("language") != "category 1"))
    out = capsys.readouterr().out
    assert f"{500 - there:,.2f} hours are missing; not chosen: {hours(rows) - there:,.2f} h category_discarded" in out
    assert "hours are missing in category " in out
    assert set(rows["drop_reason"].drop_nulls()) == {"category_discarded"}
    table = videos.categories()
    assert table["missing_hours"].sum() == pytest.approx(500 - there)


def test_a_step_behind_it_reads_the_chosen_rows_only(videos: Run) -> None:
    assert videos.balance("hours=10") == 0
    words = (*videos.words, "after=balance", "step=spoken", "chunks.size=20", "rules=speech")
    assert submit_steps(planned("filter", *words)) == 0
    assert videos.rows("spoken")["video_id"].to_list() == videos.chosen()


def test_what_was_chosen_stays_chosen_when_the_run_grows(tmp_path: Path) -> None:
    rows = catalogue(900, 2)
    run = Run(tmp_path, rows[:200])
    assert run.balance("hours=30") == 0  # more than there is
    first = run.chosen()
    run.hold(rows)
    run.extend()
    found = run.rows()
    assert run.chosen()[: len(first)] == first
    assert hours(found.filter(pl.col("drop_reason").is_null())) == pytest.approx(30, rel=0.01)
    assert found["video_id"].to_list() == rows["video_id"].to_list()
    table = run.categories()
    assert dict(table.group_by("extension").agg(pl.col("chosen_rows").sum()).iter_rows()) == {
        0: len(first), 1: len(run.chosen())
    }  # fmt: skip
    had = {name: hours(part) for (name,), part in found.filter(pl.col("drop_reason").is_null()).group_by("language")}
    assert dict(table.filter(extension=1).select("category", "chosen_hours").iter_rows()) == pytest.approx(had)


def test_a_target_that_was_reached_takes_nothing_of_what_is_new(tmp_path: Path) -> None:
    rows = catalogue(400, 3)
    run = Run(tmp_path, rows[:300])
    assert run.balance("hours=5") == 0
    first = run.chosen()
    run.hold(rows)
    run.extend()
    assert run.chosen() == first
    assert set(run.rows()["drop_reason"][300:]) == {"quota_full"}


@pytest.mark.parametrize("former", ["step", "ids.csv", "ids.parquet", "ids.jsonl"])
def test_a_former_release_stays_chosen(videos: Run, former: str) -> None:
    assert videos.balance("hours=5") == 0
    first, keep = videos.chosen(), videos.folder / former
    ids = pl.DataFrame({"title": [f"t{n}" for n in range(len(first) + 1)], "video_id": [*first, "gone"]})
    if former == "step":
        keep = videos.folder / "r" / "balance"
    else:
        getattr(ids, {"csv": "write_csv", "parquet": "write_parquet", "jsonl": "write_ndjson"}[former[4:]])(keep)
    assert videos.balance("hours=12", "seed=9", f"keep={keep}", step="more") == 0
    rows = videos.rows("more")
    assert rows.filter(pl.col("chosen_by") == "keep")["video_id"].to_list() == first
    assert hours(rows.filter(pl.col("drop_reason").is_null())) == pytest.approx(12, rel=0.01)


def test_clips_are_chosen_by_their_own_length_however_many_filters_are_before(tmp_path: Path) -> None:
    """The nearest `duration_s` to the second filter is that of the videos, one step behind `categorize`."""
    run, keys = tmp_path / "r", ["clip_id", "video_id"]
    errors = {"error": "String", "error_detail": "String"}
    gives = {"video_id": "String", "duration_s": "Float64", "channel_id": "String", "channel": "String"}
    gives |= dict.fromkeys(("views", "likes", "comments", "followers"), "Int64") | errors
    empty = {"error": pl.lit(None, pl.String), "error_detail": pl.lit(None, pl.String)}
    rows = catalogue(30, 4).with_columns(channel=pl.lit(None, pl.String), **empty)
    finish(made_step(run, "videos", n=1, gives=gives), 0, rows.select(list(gives)))
    gives = {"video_id": "String", "category": "String", **errors}
    finish(made_step(run, "categorize", n=1, inputs=["videos"], gives=gives), 0, rows.select(list(gives)))
    clips = rows.select(
        pl.col("video_id").repeat_by(20).explode(), clip_id=pl.lit(""), duration_s=pl.lit(18.0), **empty
    )
    clips = clips.with_columns(clip_id=pl.format("{}_{}", "video_id", pl.int_range(pl.len()) % 20))
    gives = {**dict.fromkeys(keys, "String"), "duration_s": "Float64", **errors}
    made_step(run, "split", n=1, inputs=["videos"], keys=keys, gives=gives)
    finish(Step(run, "split"), 0, clips.select(list(gives)))
    for name, before in (("first", "split"), ("second", "first")):
        gives = {**dict.fromkeys(keys, "String"), "drop_reason": "String", **errors}
        made_step(run, name, n=1, inputs=[before], keys=keys, item_keys=keys, gives=gives)
        judged = clips.with_columns(drop_reason=pl.when(pl.col("clip_id") == "v000003_7").then(pl.lit("dark")))
        finish(Step(run, name), 0, judged.select(list(gives)))
    words = ("run=r", f"runs={tmp_path}", "after=[second,categorize]", "cluster.executor=debug", "caps.video_rows=8")
    assert submit_steps(planned("balance", *words, "hours=0.5")) == 0
    found = read_table(run, "balance").collect()
    assert found.columns[:2] == keys
    assert len(found) == 599
    kept = found.filter(pl.col("drop_reason").is_null())
    assert len(kept) == 100  # of 18 s
    assert kept.group_by("video_id").len()["len"].max() == 8


def test_a_sweep_has_a_row_for_each_target_and_seed(videos: Run) -> None:
    words = ("run=r", f"runs={videos.folder}", *OWN, "hours=4,8", "seed=1,2", "cluster.executor=debug")
    done = command("stages.balance", "-m", *words)
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(videos.folder / "r" / "sweeps" / "balance" / "points.parquet")
    assert table["rows_in"].to_list() == [600] * 4
    assert table["hours_kept"].to_list() == pytest.approx([4, 4, 8, 8], rel=0.01)
    assert "hours=8,seed=2" in done.stdout


REFUSED = {
    "no target": ([], "hours: say how many hours are wanted"),
    "target that is none": (["hours=-1"], "hours: Input should be greater than 0, got -1"),
    "negative share": (["hours=1", "shares={category 1: -2}"], "shares.category 1: Input should be greater"),
    "share that is no number": (["hours=1", "shares={category 1: nan}"], "shares.category 1: Input should be a finite"),
    "negative weight": (["hours=1", "activity.views=-1"], "activity.views: Input should be greater"),
    "column that no step gives": (["hours=1", "columns.category=genre"], "needs 'genre', which none of the steps"),
    "measure that no step gives": (["hours=1", "+activity.veiws=1"], "needs 'veiws', which none of the steps"),
    "release that is none": (["hours=1", "keep=/none.csv"], "keep=/none.csv: neither a file"),
    "taxonomy that is none": (["hours=1", "categories=/none.yaml"], "/none.yaml"),
    "quota of no category": (
        ["hours=1", "categories=conf/taxonomy/videos.yaml", "shares={Prank: 0}"],
        "shares: there is no category 'Prank' in conf/taxonomy/videos.yaml; did you mean 'Pranks'",
    ),
    "way to relax that is none": (["hours=1", "relax=maybe"], "relax: Input should be 'hours', 'quotas' or 'never'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_submitted(videos: Run, case: str) -> None:
    words, told = REFUSED[case]
    with pytest.raises(InputError) as refused:
        videos.balance(*words)
    assert told in str(refused.value)
    assert not Step(videos.folder / "r", "balance").exists


def test_a_quota_of_a_category_that_does_not_occur_fails_with_the_names_that_are_like_it(
    videos: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert videos.balance("hours=1", "shares={categorie 1: 0}") == 1
    assert "shares: there is no category 'categorie 1'" in capsys.readouterr().out


def test_a_release_of_other_ids_is_an_error_and_counts_that_are_none_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = pl.when(pl.int_range(pl.len()) < 3).then(-1).otherwise("likes").alias("likes")
    run = Run(tmp_path, catalogue(50, 5).with_columns(bad))
    assert run.balance("hours=1") == 0
    assert "likes: 3 rows have a negative number or NaN, which counts as unknown" in capsys.readouterr().out
    pl.DataFrame({"video_id": ["x", "y"]}).write_csv(tmp_path / "ids.csv")
    assert run.balance("hours=1", f"keep={tmp_path / 'ids.csv'}", step="other") == 1
    assert "none of its 2 ids (video_id, e.g. 'x') is among the 50 rows" in capsys.readouterr().out
