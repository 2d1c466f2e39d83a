"""LVD-2M: the three layouts of its CSV files, in one catalogue of videos with their clips."""

import csv
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from slurm.errors import ITEM_CODES, InputError
from stages.core.schema.catalogue import CATALOGUE, SPANS
from stages.core.sources.lvd2m import Options, check, read

Line = dict[str, object]
CAPTIONS = {
    "raw_caption": "Caption 1: a,\nb",
    "refined_caption": 'a "b"',
    "rewritten_caption": "ab",
    "orig_caption": "é",
}


def ytb(key: str, span: str, **other: object) -> Line:
    video_id = key.rpartition("_")[0]
    url = f"https://www.youtube.com/watch?v={video_id}"
    named = {"key": key, "video_id": video_id, "url": url, "dataset_src": "panda70m"}
    return {**CAPTIONS, **named, "total score": 21.5, "span": span, "video_time": 12.0, **other}


def hdvg(key: str, orig_span: str, scene_cut: str, video_time: float | None, **other: object) -> Line:
    line = ytb(key, "", dataset_src="hdvg", orig_span=orig_span, scene_cut=scene_cut, video_time=video_time, **other)
    return {name: value for name, value in line.items() if name != "span"}


def webvid(key: str, **other: object) -> Line:
    url = f"https://ak.picdn.net/shutterstock/videos/{key}/preview/stock.mp4"
    named = {"key": key, "url": url, "dataset_src": "webvid"}
    return {**CAPTIONS, **named, "total score": 3, "video_time": 14.5, **other}


def write(file: Path, *lines: Line) -> Path:
    columns = list(dict.fromkeys(column for line in lines for column in line))
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(lines)
    return file


def found(
    path: Path, layout: Literal["ytb", "hdvg", "webvid"] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]:
    """Rows, spans, what was left out."""
    options = Options(name="lvd2m", layout=layout)
    check(str(path), options)
    made = read(str(path), options)
    assert made.spans is not None
    rows, spans = made.rows.collect(), made.spans.collect()
    assert dict(spans.schema) == SPANS
    assert {
        name: kind for name, kind in rows.schema.items() if not name.startswith("error")
    }.items() <= CATALOGUE.items()
    assert rows["video_id"].is_unique().all()
    assert set(rows["error"].drop_nulls()) <= set(ITEM_CODES)
    return rows, spans, dict(made.left_out)


def test_clips_of_one_video_are_one_row_with_spans(tmp_path: Path) -> None:
    lines = [
        ytb("-2yHu5qgTzM_1", "['0:01:20.880', '0:01:33.983']"),
        ytb("abcdefghijk_0", "['00:00:17.759', '00:00:28.279']", dataset_src="internvid"),
        ytb("-2yHu5qgTzM_0", "['0:00:05', '0:00:16.5']"),
    ]
    rows, spans, _ = found(write(tmp_path / "ytb.csv", *lines))
    assert rows["video_id"].to_list() == ["-2yHu5qgTzM", "abcdefghijk"]
    assert rows["url"][0] == "https://www.youtube.com/watch?v=-2yHu5qgTzM"
    assert rows["source"].to_list() == ["lvd2m", "lvd2m"]
    assert rows["duration_s"].to_list() == [None, None]
    assert spans["span_id"].to_list() == ["-2yHu5qgTzM_1", "abcdefghijk_0", "-2yHu5qgTzM_0"]
    assert spans["source"].to_list() == ["panda70m", "internvid", "panda70m"]
    assert spans["start_s"].to_list() == pytest.approx([80.88, 17.759, 5.0])
    assert spans["end_s"].to_list() == pytest.approx([93.983, 28.279, 16.5])


def test_captions_and_the_score_are_carried_as_they_are(tmp_path: Path) -> None:
    _, spans, _ = found(write(tmp_path / "ytb.csv", ytb("v_0", "['0:00:05', '0:00:16']"), webvid("7")))
    assert spans.select(*CAPTIONS).to_dicts() == [CAPTIONS, CAPTIONS]
    assert spans["score"].to_list() == [21.5, 3.0]


def test_clips_of_20_s_and_more_are_kept_and_half_a_second_is_500_ms(tmp_path: Path) -> None:
    lines = [ytb("v_0", "['0:00:00.5', '0:03:00']", video_time=179.5), ytb("v_1", "['.5', '20.5']", video_time=20)]
    _, spans, _ = found(write(tmp_path / "ytb.csv", *lines))
    assert spans["start_s"].to_list() == [0.5, 0.5]
    assert spans["end_s"].to_list() == [180.0, 20.5]


def test_a_clip_that_was_cut_from_a_longer_one_at_frames_has_its_times_in_the_video(tmp_path: Path) -> None:
    lines = [
        hdvg("BlUTkf-_GTg.66_3", "['00:01:00.000', '00:01:40.000']", "[240, 600]", 12.0),  # 30 frames a second
        hdvg("BlUTkf-_GTg.67_0", "['00:02:00.000', '00:02:15.250']", "[0, -1]", 15.25),
    ]
    rows, spans, _ = found(write(tmp_path / "hdvg.csv", *lines))
    assert rows["video_id"].to_list() == ["BlUTkf-_GTg.66", "BlUTkf-_GTg.67"]
    assert spans["start_s"].to_list() == pytest.approx([68.0, 120.0])
    assert spans["end_s"].to_list() == pytest.approx([80.0, 135.25])
    assert spans["orig_start_s"].to_list() == [60.0, 120.0]
    assert spans["orig_end_s"].to_list() == [100.0, 135.25]
    assert spans["scene_cut"].to_list() == [[240, 600], [0, -1]]


def test_a_webvid_clip_is_a_whole_file(tmp_path: Path) -> None:
    rows, spans, _ = found(write(tmp_path / "webvid.csv", webvid("1039695998"), webvid("7", video_time="")))
    assert rows["video_id"].to_list() == ["1039695998", "7"]
    assert rows["url"][0].endswith("/1039695998/preview/stock.mp4")
    assert rows["duration_s"].to_list() == [14.5, None]
    assert spans.select("video_id", "start_s", "end_s").rows() == [("1039695998", 0.0, 14.5), ("7", 0.0, None)]


def test_a_folder_of_all_three_is_one_catalogue(tmp_path: Path) -> None:
    write(tmp_path / "ytb_600k.csv", ytb("v_0", "['0:00:05', '0:00:16']"), ytb("w_0", "['0:00:05', '0:00:16']"))
    write(tmp_path / "hdvg_300k.csv", hdvg("v_9", "['00:01:00.000', '00:01:40.000']", "[0, -1]", 40.0, video_id="v"))
    write(tmp_path / "webvid_1200k.csv", webvid("7"))
    (tmp_path / "notes.txt").touch()
    rows, spans, _ = found(tmp_path)
    assert sorted(rows["video_id"]) == ["7", "v", "w"]
    assert sorted(zip(spans["video_id"], spans["span_id"], strict=True)) == [
        ("7", "7"),
        ("v", "v_0"),
        ("v", "v_9"),
        ("w", "w_0"),
    ]


@pytest.mark.parametrize("layout", [None, "hdvg"])
def test_without_dataset_src_the_columns_or_an_option_tell_the_layout(tmp_path: Path, layout: None) -> None:
    line = hdvg("v_9", "['00:01:00.000', '00:01:40.000']", "[0, -1]", 40.0)
    del line["dataset_src"]
    _, spans, _ = found(write(tmp_path / "h.csv", line), layout)
    assert spans.select("start_s", "end_s", "source").rows() == [(60.0, 100.0, None)]


def test_an_option_outranks_dataset_src(tmp_path: Path) -> None:
    line = webvid("7", dataset_src="stock")
    _, spans, _ = found(write(tmp_path / "w.csv", line), "webvid")
    assert spans["end_s"].to_list() == [14.5]


GOOD = "['0:00:05', '0:00:16']"
BAD: dict[str, tuple[Line, str]] = {
    "time": (ytb("v_1", "['0:00:05', '0:61:00:16']"), "'0:61:00:16'"),
    "minutes": (ytb("v_1", "['0:00:05', '0:61:16']"), "'0:61:16' is not a time"),
    "no literal": (ytb("v_1", "['0:00:05', '0:00"), "span=\"['0:00:05', '0:00\" is not a list of two"),
    "a call": (ytb("v_1", "[exit(), exit()]"), "span='[exit(), exit()]' is not a list of two"),
    "one time": (ytb("v_1", "['0:00:05']"), "is not a list of two"),
    "no span": (ytb("v_1", ""), "span=None is not a list of two"),
    "deep": (ytb("v_1", "-" * 100_000 + "1"), "is not a list of two"),
    "backwards": (ytb("v_1", "['0:00:16', '0:00:05']"), "ends before it begins"),
    "score": (ytb("v_1", GOOD, **{"total score": "high"}), "total score: could not convert string to float: 'high'"),
    "infinite": (ytb("v_1", GOOD, **{"total score": "inf"}), "total score='inf'"),
    "no id": (ytb("v_1", GOOD, video_id="", url=""), "video_id is empty"),
    "no key": ({**ytb("v_1", GOOD), "key": ""}, "key is empty"),
    "cut": (
        hdvg("v_1", "['0:01:00', '0:01:40']", "[24, 0]", 12.0),
        "scene_cut='[24, 0]', video_time='12.0' are not",
    ),
    "open cut": (hdvg("v_1", "['0:01:00', '0:01:40']", "[24, -1]", 12.0), "are not a part"),
    "no frames": (hdvg("v_1", "['0:01:00', '0:01:40']", "['a', 'b']", 12.0), "are not a part"),
    "huge cut": (hdvg("v_1", "['0:01:00', '0:01:40']", f"[0, {10**30}]", 12.0), "are not a part"),
    "beyond": (hdvg("v_1", "['0:01:00', '0:01:40']", "[900, 1260]", 12.0), "reaches beyond orig_span"),
    "no length": (hdvg("v_1", "['0:01:00', '0:01:40']", "[0, 90]", None), "video_time=None are not a part"),
    "length": (webvid("v_1", video_time="long"), "video_time: 'long' is not a time"),
    "no url": (webvid("v_1", url=""), "url is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_fails_its_line_only_and_is_named_with_its_row(tmp_path: Path, case: str) -> None:
    line, named = BAD[case]
    first, last = {**line, **ytb("v_0", GOOD)}, {**line, **ytb("v_2", GOOD)}
    file = write(tmp_path / "l.csv", first, line, last)
    rows, spans, _ = found(file)
    assert spans["span_id"].to_list() == ["v_0", "v_2"]
    failed = rows.filter(pl.col("error") == "bad_value")
    assert len(failed) == 1
    assert rows.filter(pl.col("error").is_null())["video_id"].to_list() == ["v"]
    assert failed["video_id"][0] not in ("v", "")
    detail = failed["error_detail"][0]
    assert detail.startswith(f"{file}: row 2: ")
    assert named in detail


def test_every_line_is_a_span_a_failed_row_or_a_counted_duplicate(tmp_path: Path) -> None:
    lines = [ytb(f"v{n % 8}_{n % 40}", GOOD if n % 3 else "bad") for n in range(100)]
    write(tmp_path / "a.csv", *lines[:50])
    write(tmp_path / "b.csv", *lines[50:])
    rows, spans, left_out = found(tmp_path)
    failed = rows["error"].count()
    assert failed > 10
    assert left_out["duplicate"] > 10
    assert len(spans) + failed + left_out["duplicate"] == 100
    assert spans.select("video_id", "span_id").is_unique().all()
    assert set(spans["video_id"]) == set(rows.filter(pl.col("error").is_null())["video_id"])


def test_lines_without_a_key_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", *[{**ytb("v_0", GOOD), "key": ""}] * 2)
    write(tmp_path / "b.csv", *[{**ytb("v_0", GOOD), "key": ""}] * 2)
    rows, _, left_out = found(tmp_path)
    assert rows["video_id"].n_unique() == 4
    assert left_out == {}


@pytest.mark.parametrize(
    ("line", "lacks", "missing"),
    [
        (ytb("v_0", GOOD), "span", "'span', which layout ytb needs"),
        (ytb("v_0", GOOD), "video_id", "'video_id', which layout ytb needs"),
        (hdvg("v_0", GOOD, "[0, -1]", 11.0), "scene_cut", "'scene_cut', which layout hdvg needs"),
        (webvid("7"), "url", "'url', which layout webvid needs"),
        (webvid("7"), "key", "'key', which layout webvid needs"),
    ],
)
def test_a_missing_column_is_named_with_those_that_are_there(
    tmp_path: Path, line: Line, lacks: str, missing: str
) -> None:
    file = write(tmp_path / "l.csv", {name: value for name, value in line.items() if name != lacks})
    with pytest.raises(
        InputError, match=rf"l\.csv has no column {missing}; it has: raw_caption, refined.*source\.layout"
    ):
        found(file)


def test_what_the_header_shows_is_reported_before_anything_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "l.csv", {"video_id": "v", "key": "v_0"})
    with pytest.raises(InputError, match=r"l\.csv has no column 'span'"):
        check(str(file), Options(name="lvd2m", layout=None))
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        check(str(tmp_path / "gone.csv"), Options(name="lvd2m", layout=None))


@pytest.mark.parametrize("text", ["", "\n", '"key,video_id,span\na,b,c\n'])
def test_a_file_that_is_no_csv_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "torn.csv").write_text(text)
    with pytest.raises(InputError, match=r"torn\.csv cannot be read as \.csv"):
        found(tmp_path / "torn.csv")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a,b,c,d", "4 fields, of 3 in the header"),
        ('a,"b', "a quote is not closed"),
        ("a,b", "torn: 2 fields, of 3 in the header"),
    ],
)
def test_a_line_that_is_none_of_csv_costs_itself(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "l.csv"
    file.write_text(f'key,video_id,span\nv_0,v,"{GOOD}"\n{line}')
    rows, spans, _ = found(file)
    assert rows["error"].to_list() == [None, "bad_line"]
    assert rows["error_detail"][1] == f"{file}: line 3: {why}"
    assert spans["span_id"].to_list() == ["v_0"]


def test_a_byte_that_is_no_utf8_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    file = write(tmp_path / "l.csv", ytb("v_0", GOOD))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace("é".encode(), b"\xe9"))
    _, spans, _ = found(file)
    assert spans["orig_caption"].to_list() == ["�"]
    assert spans["raw_caption"].to_list() == [CAPTIONS["raw_caption"]]


def test_a_column_that_is_not_there_is_null(tmp_path: Path) -> None:
    keys = ("key", "video_id", "span")
    rows, spans, _ = found(write(tmp_path / "l.csv", {k: v for k, v in ytb("v_0", GOOD).items() if k in keys}))
    assert rows["url"].to_list() == ["https://www.youtube.com/watch?v=v"]
    assert spans.select("score", *CAPTIONS, "source").rows() == [(None,) * 6]


@pytest.mark.parametrize("nothing", ["nan", "NaN", "None", ""])
def test_a_score_that_says_nothing_is_null(tmp_path: Path, nothing: str) -> None:
    line = {**ytb("v_0", GOOD), "total score": nothing, "refined_caption": nothing}
    rows, spans, _ = found(write(tmp_path / "l.csv", line))
    assert rows["error"].to_list() in ([None], [])
    assert spans.select("score", "refined_caption").row(0) == (None, None)


def test_a_list_without_captions_keeps_all_its_clips(tmp_path: Path) -> None:
    lines = [ytb(f"-2yHu5qgTzM_{n}", f"['0:00:{n}0', '0:00:{n}9']") for n in (1, 2)]
    bare = [{name: value for name, value in line.items() if name not in CAPTIONS} for line in lines]
    rows, spans, _ = found(write(tmp_path / "ytb.csv", *bare))
    assert (len(rows), spans["span_id"].to_list()) == (1, ["-2yHu5qgTzM_1", "-2yHu5qgTzM_2"])
    assert spans["raw_caption"].null_count() == 2
