"""The catalogue: whatever it comes from, every video is one row, and who opted out is in none."""

from pathlib import Path

import polars as pl
import pytest
from support.hub import Hub
from support.runs import command
from support.texts import alarms

from slurm.errors import InputError
from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.runner.stage import Former
from stages.core.schema.catalogue import CAPTION_ROWS, CATALOGUE, LEFT_OUT, SPANS
from stages.core.sources import lvd2m, urls, youtube_commons
from stages.core.sources.opt_out import OptOut
from stages.ingest import Auto, Config, Input, Source, check, read_catalogue, run

ENGLISH = youtube_commons.Options("youtube_commons", "en", "en", None, 50)
FIRST = Former(0, {})
ERRORS = {"error": pl.String(), "error_detail": pl.String()}


def config(path: Path | str, source: Source | None = None, opt_out: Path | None = None) -> Config:
    return Config(Input(str(path)), source or Auto("auto"), OptOut(str(opt_out) if opt_out else None), alarms())


def ingest(path: Path | str, source: Source | None = None, opt_out: Path | None = None) -> pl.DataFrame:
    return read_catalogue(config(path, source, opt_out)).rows.collect()


def commons(folder: Path, files: int = 2, rows: int = 10) -> Path:
    """A YouTube-Commons of which every second row passes; the first of a file has the id of the one before."""
    folder.mkdir()
    for number in range(files):
        numbers = range(number * rows, (number + 1) * rows)
        table = {
            "video_id": [f"id{max(0, n - (n == number * rows) * 2):09d}" for n in numbers],
            "channel_id": [f"UC{n:022d}" for n in numbers],
            "text": [f"text {n}" for n in numbers],
            "original_language": ["en"] * rows,
            "transcription_language": ["fr" if n % 2 else "en" for n in numbers],
            "word_count": [20 if n == 4 else 80 for n in numbers],
        }
        pl.DataFrame(table).write_parquet(folder / f"cctube_{number}.parquet")
    return folder


def test_a_folder_is_one_of_videos_and_a_file_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "l.csv").write_text("url\nhttps://e.org/b.mp4\n")
    assert ingest(tmp_path)["path"].to_list() == [str(tmp_path / "a.mp4")]
    assert ingest(tmp_path / "l.csv")["url"].to_list() == ["https://e.org/b.mp4"]
    (tmp_path / "b.ts").touch()
    for one, names in (("a.mp4", ["a.mp4"]), ("?.*", ["a.mp4", "b.ts"]), ("*.m*", ["a.mp4"])):
        assert ingest(tmp_path / one)["path"].to_list() == [str(tmp_path / name) for name in names]
    assert ingest(tmp_path / "*.csv")["url"].to_list() == ["https://e.org/b.mp4"]
    listed = urls.Options("urls", None, None, {})
    assert ingest(tmp_path, listed)["url"].to_list() == ["https://e.org/b.mp4"]


@pytest.mark.parametrize("name", ["", "l.csv", "commons"])
def test_every_source_gives_the_same_columns(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "l.csv").write_text("url\nhttps://e.org/b.mp4\n")
    commons(tmp_path / "commons")
    tables = run({}, config(tmp_path / name, ENGLISH if name == "commons" else None), tmp_path, FIRST)
    assert {name: dict(table.lazy().collect_schema()) for name, table in tables.items()} == {
        "rows": {**CATALOGUE, **ERRORS, "extension": pl.Int64()},
        "spans": {**SPANS, **CAPTION_ROWS},
        "left_out": LEFT_OUT,
    }


@pytest.mark.parametrize("odd", [f"/a/{'x' * 300}.mp4", "dbfs://x/y.mp4", "sftp://h/y.mp4", "http://[x/y.mp4", "a\0b"])
def test_an_address_that_can_be_that_of_nothing_costs_its_row(tmp_path: Path, odd: str) -> None:
    pl.DataFrame({"url": ["https://e.org/1", odd, "https://e.org/2.mp4"]}).write_parquet(tmp_path / "l.parquet")
    found = ingest(tmp_path / "l.parquet")
    assert found["error"].to_list() == [None, "bad_value", None]
    assert found["error_detail"][1].startswith(odd[:60])


def test_without_an_input_the_sample_is_taken_and_where_it_is_missing_how_it_is_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"input\.path=sample: `make sample` makes it"):
        check(config("sample"))
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "a.mp4").touch()
    check(config("sample"))


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text(f"https://youtu.be/id{6:09d}\nUC{12:022d}\nUC{1:022d}\nnobody\n")
    tables = run({}, config(commons(tmp_path / "c"), ENGLISH, tmp_path / "out.txt"), tmp_path, FIRST)
    left_out = dict(tables["left_out"].lazy().collect().iter_rows())
    assert left_out == {"language": 10, "too_few_words": 1, "duplicate": 1, "opt_out": 2}
    ids = tables["rows"].lazy().collect()["video_id"].to_list()
    assert ids == [f"id{n:09d}" for n in (0, 2, 8, 14, 16, 18)]


def test_who_opted_out_is_in_no_table(tmp_path: Path) -> None:
    names = [f"{letter * 11}" for letter in "abc"]
    list_ = {
        "url": [f"https://youtu.be/{n}" for n in names],
        "video_id": ["x", "y", "y2"],
        "channel_id": ["1", "2", "2"],
    }
    pl.DataFrame(list_).write_csv(tmp_path / "l.csv")
    (tmp_path / "out.txt").write_text("\n".join(["aaaaaaaaaaa", "2"]))
    with pytest.raises(InputError, match=r"l\.csv: no video in it except those left out: 3 opt_out"):
        ingest(tmp_path / "l.csv", opt_out=tmp_path / "out.txt")
    (tmp_path / "out.txt").write_text("aaaaaaaaaaa")
    assert ingest(tmp_path / "l.csv", opt_out=tmp_path / "out.txt")["video_id"].to_list() == ["y", "y2"]


def test_the_spans_of_who_opted_out_go_with_the_video(tmp_path: Path) -> None:
    table = {
        "key": ["a1", "a2", "b1"],
        "video_id": ["aaaaaaaaaaa", "aaaaaaaaaaa", "bbbbbbbbbbb"],
        "url": [f"https://www.youtube.com/watch?v={letter * 11}" for letter in "aab"],
        "raw_caption": ["one", "two", "three"],
        "span": ["['0:00:01', '0:00:30']", "['0:01:00', '0:01:30']", "['0:00:02', '0:00:40']"],
    }
    pl.DataFrame(table).write_csv(tmp_path / "ytb.csv")
    (tmp_path / "out.txt").write_text("https://youtu.be/aaaaaaaaaaa\n")
    found = read_catalogue(config(tmp_path / "ytb.csv", lvd2m.Options("lvd2m", None), tmp_path / "out.txt"))
    assert found.rows.collect()["video_id"].to_list() == ["bbbbbbbbbbb"]
    assert found.spans is not None
    assert found.spans.select("video_id", "raw_caption").collect().rows() == [("bbbbbbbbbbb", "three")]


def test_a_source_of_which_nothing_passes_says_why(tmp_path: Path) -> None:
    strict = youtube_commons.Options("youtube_commons", "en", "en", None, 1000)
    with pytest.raises(InputError, match="no video in it except those left out: 10 language, 10 too_few_words"):
        ingest(commons(tmp_path / "c"), strict)


def test_ids_that_stand_twice_are_refused_and_named(tmp_path: Path) -> None:
    pl.DataFrame({"path": ["a.mp4", "b.mp4", "a.mp4"]}).write_csv(tmp_path / "l.csv")
    with pytest.raises(InputError, match=r"2 rows share a video id, e\.g\. 'a-.*say source\.id="):
        ingest(tmp_path / "l.csv")
    (tmp_path / "t.txt").write_text("abcdefghijk\nhttps://youtu.be/abcdefghijk?t=3\n")
    with pytest.raises(InputError, match=r"2 rows share a video id, e\.g\. 'abcdefghijk'"):
        ingest(tmp_path / "t.txt")


def test_nothing_to_ingest_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "none.txt").write_text("# nothing yet\n")
    (tmp_path / "none.csv").write_text("path,title\n")
    with pytest.raises(InputError, match=r"no video in it \(\.3g2, .*any case\)"):
        ingest(tmp_path)
    with pytest.raises(InputError, match=r"neither a folder nor one of \.csv, "):
        ingest(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"gone: no such file or folder"):
        ingest(tmp_path / "gone")
    for name in ("none.txt", "none.csv"):
        with pytest.raises(InputError, match=rf"{name}: no video in it$"):
            ingest(tmp_path / name)


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "ragged.csv").write_text("path,title\n" + "a.mp4,A\n" * 2000 + "b.mp4,B,C\n")
    pl.DataFrame({"path": [f"{n}.mp4" for n in range(1000)]}).write_parquet(tmp_path / "spoilt.parquet")
    whole = (tmp_path / "spoilt.parquet").read_bytes()
    (tmp_path / "spoilt.parquet").write_bytes(whole[:100] + bytes(200) + whole[300:])
    for name in ("torn.parquet", "empty.csv", "ragged.csv", "spoilt.parquet"):
        with pytest.raises(InputError, match=name):
            ingest(tmp_path / name)


def test_a_whole_run_writes_the_catalogue_and_what_was_left_out(tmp_path: Path) -> None:
    commons(tmp_path / "c")
    (tmp_path / "out.csv").write_text(f"video_id\nid{6:09d}\n")
    words = [
        "run=r",
        f"runs={tmp_path}",
        "source=youtube_commons",
        f"input.path={tmp_path / 'c'}",
        "source.words_above=10",
    ]
    done = command("stages.ingest", *words, f"opt_out.path={tmp_path / 'out.csv'}", "cluster.executor=debug")
    assert (done.returncode, done.stdout) == (0, "ingest: 1/1 chunks done\n"), done.stderr
    step = Step(tmp_path / "r", "ingest")
    rows, left_out = step.scan(), step.scan("left_out")
    assert rows is not None
    assert left_out is not None
    assert rows.collect()["transcript"].to_list() == [f"text {n}" for n in (0, 2, 4, 8, 12, 14, 16, 18)]
    assert dict(left_out.collect().iter_rows()) == {"language": 10, "duplicate": 1, "opt_out": 1}
    assert f"id{6:09d}".encode() not in b"".join(file.read_bytes() for file in (tmp_path / "r").rglob("*.json*"))
    (tmp_path / "out.csv").write_text(f"video_id\nid{8:09d}\n")
    again = command("stages.ingest", *words, f"opt_out.path={tmp_path / 'out.csv'}", "cluster.executor=debug")
    assert again.returncode == 2
    assert "out.csv" in again.stderr
    assert "overwrite=ingest computes them again; finished rows would be lost: ingest (1 of 1 chunks" in again.stderr


@pytest.mark.parametrize("reachable", [False, True])
def test_a_run_from_the_hub_tells_what_it_could_not_have(tmp_path: Path, reachable: bool) -> None:
    with Hub({"0.parquet": next(commons(tmp_path / "c", files=1).iterdir()).read_bytes()}) as hub:
        words = ["run=r", f"runs={tmp_path}", "source=youtube_commons", "input.path=hf://datasets/org/name"]
        env = {"HF_ENDPOINT": hub.url if reachable else "http://127.0.0.1:9"}
        done = command("stages.ingest", *words, "cluster.executor=debug", env=env)
    assert done.returncode == (0 if reachable else 1), done.stderr
    told = "http://127.0.0.1:9 cannot be reached from here"
    assert (told in done.stdout, "hf download org/name" in done.stdout) == (not reachable, not reachable)


def test_a_run_from_the_hub_grows_by_what_is_new_there(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in sorted(commons(tmp_path / "c", files=2).iterdir())}
    words = ["run=r", f"runs={tmp_path}", "source=youtube_commons", "input.path=hf://datasets/org/name"]
    for there, extend in ((list(files)[:1], "false"), (list(files), "true")):
        with Hub({name: files[name] for name in there}) as hub:
            more = ["cluster.executor=debug", f"extend={extend}"]
            done = command("stages.ingest", *words, *more, env={"HF_ENDPOINT": hub.url})
        assert done.returncode == 0, done.stderr
    rows = Step(tmp_path / "r", "ingest").scan()
    assert rows is not None
    ids = rows.select("video_id", "extension").collect()
    assert ids.rows() == [(f"id{n:09d}", n // 10) for n in (0, 2, 6, 8, 12, 14, 16, 18)]
    left_out = read_table(tmp_path / "r", "ingest", table="left_out").collect()
    assert dict(left_out.group_by("reason").agg(pl.col("rows").sum()).iter_rows()) == {
        "language": 10,
        "too_few_words": 1,
        "duplicate": 1,
    }
