"""Taking videos out of a run: what goes, what stays as it was, and what comes of a kill. Real stages, small films."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from support.released import bytes_of, index_of
from support.removed import COPY, FILMS, LISTS, go, holding, make_films, make_run, media_of, opt_out, tables_of, without

from scripts.opt_out import main
from slurm.control.resume import resume
from slurm.errors import InputError
from slurm.explain.find import find
from slurm.record.manifest import Step
from slurm.record.paths import bucket
from slurm.removals import Ledger, removals, unfinished_of, version_of

GONE = (FILMS[1], FILMS[5])
RELEASES = ("tars", "fine", "csv", "files", "table", "lora")
Whole = tuple[dict[tuple[str, str], pl.DataFrame], dict[str, bytes]]
TakeOut = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, and of another copy of it that no test changes."""
    place = tmp_path_factory.mktemp("place")
    make_run(place, make_films(place / "films"))
    shutil.copytree(place / "runs", place / "whole", symlinks=True)
    return place


@pytest.fixture
def run(made: Path) -> Path:
    """The run as it was made."""
    shutil.rmtree(made / "runs")
    shutil.copytree(made / "whole", made / "runs", symlinks=True)
    return made / "runs" / "r"


@pytest.fixture(scope="module")
def whole(made: Path) -> Whole:
    """Tables and media of the run as it was made."""
    return tables_of(made / "whole" / "r"), media_of(made / "whole" / "r")


@pytest.fixture
def take_out(run: Path, capsys: pytest.CaptureFixture[str]) -> TakeOut:
    def taken(ids: str | None, *more: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["run=r", f"runs={run.parent}", *([f"ids={ids}"] if ids else []), *more])
        return status, capsys.readouterr().out

    return taken


def test_a_video_is_gone_everywhere_and_all_else_is_as_it_was(run: Path, whole: Whole, take_out: TakeOut) -> None:
    log = run / "analyze" / "logs" / "old" / "task.log.gz"
    log.parent.mkdir(parents=True)
    log.write_bytes(gzip.compress(f"{GONE[0]}: decoded\nthe rest\n".encode()))
    failure = run / "cut" / "submissions" / "0000" / "failures" / "12ab34cd" / "000000"
    failure.parent.mkdir(parents=True)
    failure.write_text(f"/videos/{GONE[1]}.mp4 cannot be read")
    (events,) = Step(run, "cut").paths.attempts_at(0).iterdir()
    with events.open("a") as file:
        file.write(json.dumps({"event": "end", "t": 1.0, "cause": "done", "detail": f"after {GONE[1]}_0_40"}) + "\n")
    status, said = take_out(f"{','.join(GONE)},nobody")
    assert status == 0
    assert "nobody: not in the run" in said
    assert f"{COPY} is like {GONE[0]} (exact, 1.00)" in said
    assert "nothing of it is left" in said
    assert holding(run, *GONE) == []
    assert gzip.decompress(log.read_bytes()) == b"(removed): decoded\nthe rest\n"
    assert failure.read_text() == "/videos/(removed).mp4 cannot be read"
    assert json.loads(events.read_text().splitlines()[-1])["detail"] == "after (removed)_0_40"
    tables, media = whole
    now, left = tables_of(run), {key: without(table, *GONE) for key, table in tables.items()}
    copy = now["same", "rows"].filter(video_id=COPY)  # it was dropped for one that is gone
    assert copy.select("duplicate_of", "drop_reason").row(0) == ("(removed)", "duplicate.exact")
    now["same", "rows"], left["same", "rows"] = (
        one["same", "rows"].filter(pl.col("video_id") != COPY) for one in (now, left)
    )
    assert now.keys() == left.keys()
    assert {key for key, table in now.items() if not table.equals(left[key])} == set()
    there = media_of(run)
    assert {name for name, content in there.items() if media.get(name, content) != content} == {
        *(f"{step}/media/index/000/00000{chunk}-0000.{suffix}" for step in ("files",) for chunk in (0, 1)
          for suffix in ("parquet", "sha256")),
        *(f"fine/media/{file}" for file in changed("fine", media, there)),
        *(f"csv/media/{file}" for file in changed("csv", media, there)),
        *(f"lora/media/{file}" for file in LISTS),
    }  # fmt: skip
    for step in RELEASES:
        assert len(index_of(run / step / "media")) == len(FILMS) + 1 - len(GONE)


def changed(step: str, before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """The files of a step's release that were written anew, of which there is one shard: the others stay."""
    files = {name for name in after if name.startswith(f"{step}/") and before.get(name, after[name]) != after[name]}
    assert len([name for name in files if "/data/" in name]) == 1
    return {name.removeprefix(f"{step}/media/") for name in files}


def test_what_is_done_stays_done_and_counts_are_without_the_rows(run: Path, take_out: TakeOut) -> None:
    take_out(GONE[0])
    results = resume(run)
    assert {name: result.submitted for name, result in results.items() if result.submitted} == {}
    number = len(FILMS)
    for name in ("analyze", "same", "cut", "fine"):
        records = Step(run, name).all_done()
        assert sum(done.rows_in for done in records) == sum(done.rows_out for done in records) == number, name
    rows = Step(run, "report").scan()
    assert rows is not None
    counted = dict(rows.select("step", "rows_out").collect().iter_rows())
    assert {counted[name] for name in ("ingest", "download", "cut", "tars")} == {number}
    assert find(run, FILMS[0]).value == FILMS[0]
    with pytest.raises(InputError, match="taken out of run r for good"):
        find(run, GONE[0])


def test_the_ledger_names_nobody_and_counts_for_the_card(run: Path, whole: Whole, take_out: TakeOut) -> None:
    assert version_of(run) == 1
    take_out(GONE[0], "proof=false")
    take_out(GONE[1], "proof=false")
    first, second = removals(run)
    assert (first.version, second.version, version_of(run)) == (2, 3, 3)
    assert first.videos == 1
    assert first.released == dict.fromkeys(RELEASES, 1)
    assert {first.rows[name] for name in ("ingest", "download", "same", "cut", "tars")} == {1}
    assert Ledger(run).holds([GONE[0], FILMS[0], GONE[1], None]) == [True, False, True, False]
    assert first.salt == second.salt
    assert Ledger(run).holds([str(run.parents[1] / "films" / f"{GONE[0]}.mp4")]) == [True]
    clips, now = whole[0]["cut", "rows"], tables_of(run)
    assert now["cut", "rows"].equals(without(clips, *GONE))
    assert GONE[0] not in "".join(path.read_text() for path in (run / "removals").iterdir())


def test_no_later_catalogue_brings_it_back(made: Path, run: Path, take_out: TakeOut) -> None:
    status, said = take_out("channel-0")  # of two films
    assert (status, "channel-0: 2 videos" in said) == (0, True)
    assert go(made, "ingest", "extend=true") == 0
    assert Step(run, "ingest").plan.n == 1
    assert go(made, "ingest", "overwrite=ingest") == 0
    rows, left_out = Step(run, "ingest").scan(), Step(run, "ingest").scan("left_out")
    assert rows is not None
    assert left_out is not None
    assert rows.select("video_id").collect().to_series().to_list() == [*FILMS[2:], COPY]
    assert left_out.collect().rows() == [("opt_out", 2)]


def test_a_chunk_that_is_made_again_gives_the_same_shards(run: Path, take_out: TakeOut) -> None:
    take_out(",".join(GONE), "proof=false")
    steps = ("tars", "fine")  # of several shards a chunk
    before = {step: bytes_of(run / step / "media") for step in steps}
    for step in steps:
        shutil.rmtree(run / step / "parts")
    resume(run)
    assert {step: bytes_of(run / step / "media") for step in steps} == before


def test_killed_at_any_point_the_same_command_finishes_it(run: Path, made: Path, take_out: TakeOut) -> None:
    ids = ",".join(GONE)
    take_out(ids)
    wanted = tables_of(run), media_of(run)
    shutil.rmtree(run)
    shutil.copytree(made / "whole" / "r", run, symlinks=True)
    for number in range(1, 400):
        done = opt_out(run, f"ids={ids}", dies_at=40 * number)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stdout + done.stderr
    assert number > 4
    assert "nothing of it is left" in done.stdout
    assert holding(run, *GONE) == []
    assert not [path for path in run.rglob(".*") if path.suffix == ".tmp" or path.parent.name == "removals"]
    (tables, media), now = wanted, tables_of(run)
    assert {key for key, table in tables.items() if not table.equals(now[key])} == set()
    assert media_of(run) == media


def test_while_it_is_not_finished_nothing_is_submitted(run: Path, made: Path, take_out: TakeOut) -> None:
    assert opt_out(run, f"ids={GONE[0]}", dies_at=20).returncode == -9
    assert unfinished_of(run).stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match=r"not finished: python -m scripts.opt_out run=r finishes it"):
        go(made, "analyze")
    status, said = take_out(None)
    assert (status, "it goes on" in said) == (0, True)
    assert holding(run, GONE[0]) == []
    assert go(made, "analyze") == 0


def test_a_dry_run_changes_nothing(run: Path, take_out: TakeOut) -> None:
    before = bytes_of(run)
    status, said = take_out(GONE[0], "dry_run=true")
    assert (status, "fine: 1 rows in 1 shards of the release" in said) == (0, True)
    assert bytes_of(run) == before


def test_what_the_removal_does_not_know_is_seen_by_the_proof(run: Path, take_out: TakeOut) -> None:
    clips = Step(run, "cut").scan()
    assert clips is not None
    clips.select("clip_id").collect().write_parquet(run / "cut" / "export.parquet")
    (run / "notes.html").write_text(f"see {GONE[1]}_0_40")
    status, said = take_out(",".join(GONE))
    assert status == 1
    assert "2 still mention what was removed" in said
    assert f"{run / 'cut' / 'export.parquet'}: column clip_id: mentions {GONE[0]}" in said
    assert f"{run / 'notes.html'}: bytes: mentions {GONE[1]}" in said
    for path in (run / "cut" / "export.parquet", run / "notes.html"):
        path.unlink()
    status, said = take_out(",".join(GONE))
    assert (status, f"{GONE[0]}: stays out since version 2" in said) == (0, True)
    assert version_of(run) == 2


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [
        ("", "ids=…"),
        (",", "no id in it"),
        ("nobody,noone", "none of 2 ids is in run 'r'"),
        ("missing.txt", "ids=missing.txt: not a file"),
        ("https://www.youtube.com/@somebody", "a channel's handle"),
    ],
)
def test_ids_that_are_none_are_refused(run: Path, take_out: TakeOut, ids: str, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        take_out(ids)
    assert not (run / "removals").exists()


def test_a_name_of_a_clip_or_of_several_videos_is_told(run: Path, take_out: TakeOut, made: Path) -> None:
    listed = made / "ids.txt"
    listed.write_text(f"# asked for by letter\n{FILMS[2]}_0_40\nchannel-1\n{made / 'films' / FILMS[6]}.mp4\n")
    status, said = take_out(str(listed))
    assert status == 0
    assert f"{FILMS[2]}_0_40: is a clip_id, not a video: to take out all of its video say {FILMS[2]}" in said
    assert "channel-1: 2 videos" in said
    assert "3 videos; rows" in said


def test_a_run_with_tasks_under_way_is_refused(run: Path, take_out: TakeOut) -> None:
    step = Step(run, "csv")
    shutil.rmtree(step.paths.dones)
    place = step.paths.attempts_at(0)
    (events,) = place.iterdir()
    start, *_ = events.read_text().splitlines()
    about = {**json.loads(start), "pid": 1, "job": "local", "t": 2e9}
    (place / "localffff_0_0.jsonl").write_text(f"{json.dumps(about)}\n")
    with pytest.raises(InputError, match=r"r/csv has tasks under way.*python -m slurm cancel run=r"):
        take_out(GONE[0])
    assert not (run / "removals" / ".unfinished.json").exists()


def test_a_half_written_shard_is_made_without_the_rows(run: Path, take_out: TakeOut) -> None:
    media = run / "fine" / "media"
    shard = sorted(media.glob("data/000/train-000000-*"))[0]
    wanted = bytes_of(media)
    shutil.rmtree(run / "fine" / "done")
    shutil.rmtree(run / "fine" / "parts")
    for path in (*media.glob("index/000/000000-0000.*"), *media.glob("index/000/000001-*")):
        path.unlink()
    (shard.parent / f".{shard.name}.host.1.ab.tmp").write_bytes(shard.read_bytes()[:1000])
    status, said = take_out(FILMS[0])
    assert (status, "nothing of it is left" in said) == (0, True)
    assert not list(media.rglob("*.tmp"))
    resume(run)
    assert holding(run, FILMS[0]) == []
    assert index_of(media)["id"].to_list() == [*FILMS[1:], COPY]
    other = {name: content for name, content in wanted.items() if f"{bucket(1)}/000001-" in name or "-000001-" in name}
    assert other.items() <= bytes_of(media).items()


def test_flushed_rows_of_an_unfinished_chunk_are_without_it(run: Path, take_out: TakeOut) -> None:
    step = Step(run, "analyze")
    (done,) = step.all_done()
    flushed = step.paths.partial_of(0)
    flushed.mkdir(parents=True)
    for table in ("rows", *done.tables):
        rows = pl.read_parquet(step.paths.part(done.part, table)).with_columns(_item=pl.col("video_id"))
        name = f"{step.plan.fingerprint[:8]}.{done.attempt}.00000{'' if table == 'rows' else f'.{table}'}.flush"
        rows.write_parquet(flushed / name)
    for path in (step.paths.parts, step.paths.dones):
        shutil.rmtree(path)
    status, _ = take_out(GONE[0])
    assert status == 0
    resume(run)
    (record,) = Step(run, "analyze").all_done()
    assert (record.rows_in, record.rows_out) == (len(FILMS), len(FILMS))
    assert holding(run, GONE[0]) == []
