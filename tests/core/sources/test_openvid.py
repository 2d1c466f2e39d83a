"""The OpenVid-1M reader: wanted clips found in zip files, with an address each that needs no directory."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from support.web import Web
from support.zips import cut, make_client, noise, packed

from slurm.errors import InputError
from stages.core.fetch.web.zips import fetch
from stages.core.schema.catalogue import CATALOGUE, SPANS
from stages.core.sources.openvid import Options, check, read

ROOT = Path(__file__).parents[3]
LINE = {
    "video": "a.mp4",
    "caption": 'A "quoted" caption,\nin two lines',
    "aesthetic score": "5.5",
    "motion score": "3.1",
    "temporal consistency score": "0.99",
    "camera motion": "static",
    "frame": "90",
    "fps": "30.0",
    "seconds": "3.0",
}
CLIPS = {
    f"{name}_{number}_0to{90 + number}.mp4": noise(number, 2000 + number) for number, name in enumerate("abcdefgh")
}
NAMES = list(CLIPS)


def options(zips: object, **changes: Any) -> Options:
    given = yaml.safe_load((ROOT / "conf" / "source" / "openvid.yaml").read_text())
    return Options(**{**given, "zips": str(zips), "numbers": [0, 1, 3], **changes})


def line(name: str, **changes: str) -> dict[str, str]:
    return {**LINE, "video": name, **{key.replace("_", " "): value for key, value in changes.items()}}


def write(path: Path, lines: list[dict[str, str]], left_out: str = "") -> str:
    with path.open("w", newline="") as out:
        table = csv.DictWriter(out, [c for c in LINE if c != left_out], extrasaction="ignore")
        table.writeheader()
        table.writerows(lines)
    return str(path)


def some(*numbers: int) -> dict[str, bytes]:
    return {f"1a2b3c/{NAMES[number]}": CLIPS[NAMES[number]] for number in numbers}


@pytest.fixture
def web() -> Iterator[Web]:
    """Zip files 0 (clips 0 to 2), 1 in two files (3 and 4), 3 (5, and 0 again); 2 is not there."""
    files = {"OpenVid_part0.zip": packed(some(0, 1, 2)), "OpenVid_part3.zip": packed(some(5, 0))}
    split = cut(packed(some(3, 4)), 2500)
    with Web(
        files={**files, **{name.replace("x_", "OpenVid_part1_"): piece for name, piece in split.items()}}
    ) as served:
        yield served


def test_each_clip_is_found_and_its_url_fetches_it(web: Web, tmp_path: Path) -> None:
    found = read(write(tmp_path / "OpenVid-1M.csv", [line(name) for name in NAMES[:6]]), options(web.url("")))
    rows = found.rows.collect()
    assert rows["video_id"].to_list() == [name.removesuffix(".mp4") for name in NAMES[:6]]
    assert rows["error"].null_count() == 6
    assert rows["bytes"].to_list() == [len(content) for content in CLIPS.values()][:6]
    assert set(rows["source"]) == {"OpenVid-1M"}
    assert set(rows["duration_s"]) == {3.0}
    web.requests.clear()
    for url, content in zip(rows["url"], CLIPS.values(), strict=False):
        assert fetch(make_client(tmp_path), url, tmp_path / "a.mp4", 10**6).read_bytes() == content
    assert len(web.requests) == 6 + 1  # one lies in two files
    assert web.asked("OpenVid_part3.zip")
    assert {**CATALOGUE, "error": pl.String(), "error_detail": pl.String()}.items() >= dict(rows.schema).items()


def test_captions_and_scores_come_as_spans(web: Web, tmp_path: Path) -> None:
    lines = [line(NAMES[0], aesthetic_score="6.25"), line(NAMES[1], seconds="", aesthetic_score="")]
    spans = read(write(tmp_path / "a.csv", lines), options(web.url(""))).spans
    assert spans is not None
    table = spans.collect()
    assert {name: SPANS[name] for name in table.columns} == dict(table.schema)
    assert table.row(0, named=True) == {
        "video_id": "a_0_0to90",
        "span_id": "a_0_0to90",
        "source": "a",
        "start_s": 0.0,
        "end_s": 3.0,
        "score": 6.25,
        "raw_caption": lines[0]["caption"],
    }
    assert (table["end_s"][1], table["score"][1]) == (None, None)


def test_minima_leave_out_and_count(web: Web, tmp_path: Path) -> None:
    lines = [
        line(NAMES[0], aesthetic_score="7"),
        line(NAMES[1], aesthetic_score="6.99"),
        line(NAMES[2], aesthetic_score=""),
        line(NAMES[3], aesthetic_score="8", seconds="1.9"),
        line(NAMES[4], aesthetic_score="9", motion_score="1.5e-3"),
        line(NAMES[0], aesthetic_score="7.5"),
    ]
    found = read(write(tmp_path / "a.csv", lines), options(web.url(""), min_aesthetic=7, min_s=2, min_motion=0.0015))
    assert found.rows.collect()["video_id"].to_list() == ["a_0_0to90", "e_4_0to94"]
    assert found.left_out == {"aesthetic score": 1, "no aesthetic score": 1, "seconds": 1, "duplicate": 1}
    assert found.spans is not None
    assert found.spans.collect()["score"].to_list() == [7.0, 9.0]


def test_only_directories_are_read_and_each_of_them_once(web: Web, tmp_path: Path) -> None:
    read(write(tmp_path / "a.csv", [line(name) for name in NAMES[:6]]), options(web.url("")))
    asked = [(request.path, request.method, request.range) for request in web.requests]
    assert len(asked) == len(set(asked))
    assert len([path for path, method, _ in asked if method == "GET"]) == 2 + 2


def test_a_clip_in_no_zip_file_is_a_row_that_says_so(web: Web, tmp_path: Path) -> None:
    rows = read(
        write(tmp_path / "a.csv", [line(NAMES[6]), line(NAMES[0])]), options(web.url(""), numbers=None)
    ).rows.collect()
    assert rows["error"].to_list() == ["missing", None]
    assert rows["error_detail"][0] == f"{NAMES[6]} is in none of the 3 zip files of {web.url('')}"
    assert rows["url"][0] is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seconds": "3 s"}, "row 2: seconds=3 s"),
        ({"seconds": "0"}, "row 2: seconds=0"),
        ({"aesthetic_score": "inf"}, "row 2: aesthetic score=inf"),
        ({"video": " "}, "row 2: video is empty"),
        ({"video": "folder/"}, "row 2: video is empty"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_row_that_says_so(
    changes: dict[str, str], told: str, web: Web, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.csv", [line(NAMES[0]), line(NAMES[1], **changes), line(NAMES[2])])
    found = read(path, options(web.url(""), min_aesthetic=1))
    rows = found.rows.collect()
    assert rows["error"].to_list() == [None, None, "bad_value"]
    assert rows["error_detail"][2] == told
    assert rows["video_id"].n_unique() == 3
    assert found.left_out == {"duplicate": 0}


def test_a_column_that_is_missing_is_named_with_those_found(web: Web, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [line(NAMES[0])], left_out="motion score")
    assert len(read(path, options(web.url(""))).rows.collect()) == 1
    with pytest.raises(
        InputError, match=r"no column 'motion score'; it has: video, caption, aesthetic score, temporal"
    ):
        read(path, options(web.url(""), min_motion=1))


def test_zip_files_may_lie_in_a_folder(web: Web, tmp_path: Path) -> None:
    (tmp_path / "zips").mkdir()
    for name, content in web.files.items():
        (tmp_path / "zips" / name).write_bytes(content)
    rows = read(
        write(tmp_path / "a.csv", [line(name) for name in NAMES[:6]]), options(tmp_path / "zips")
    ).rows.collect()
    for url, content in zip(rows["url"], CLIPS.values(), strict=False):
        assert fetch(make_client(tmp_path), url, tmp_path / "a.mp4", 10**6).read_bytes() == content
    assert web.requests == []


def test_what_is_wrong_with_the_zip_files_is_said_with_what_mends_it(web: Web, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [line(NAMES[0])])
    with pytest.raises(InputError, match=r"has no OpenVid_part2.zip or OpenVid_part2_partaa; say source.zips="):
        read(path, options(web.url(""), numbers=[0, 2]))
    with pytest.raises(InputError, match=r"/none has no OpenVid_part0.zip or"):
        read(path, options(web.url("none"), numbers=None))
    with pytest.raises(InputError, match=r"source.zips=.*: no such folder"):
        check(path, options(tmp_path / "none"))
    with pytest.raises(InputError, match=r"source.files: 'a.zip' must contain \{n\}"):
        check(path, options(web.url(""), files=["a.zip"]))
    web.fault("OpenVid_part3.zip", 403, times=2)
    with pytest.raises(InputError, match=r"part3.zip.* cannot be read: .*403.* Copies will do: source.zips=DIR"):
        read(path, options(web.url("")))
    web.files["OpenVid_part3.zip"] = web.files["OpenVid_part3.zip"][:-30]
    with pytest.raises(InputError, match=r"part3.zip.* not a complete zip file.*source.zips=DIR.*source.numbers="):
        read(path, options(web.url("")))


@pytest.mark.slow
def test_a_host_that_cannot_be_reached_is_reported_with_the_local_alternative(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"refused.*Copies will do: source.zips=DIR"):
        read(write(tmp_path / "a.csv", [line(NAMES[0])]), options("http://127.0.0.1:9/"))


def test_a_host_that_asks_for_a_pause_gets_it(web: Web, tmp_path: Path) -> None:
    web.fault("OpenVid_part0.zip", 429, 1, times=1)
    rows = read(write(tmp_path / "a.csv", [line(NAMES[0])]), options(web.url(""), numbers=[0])).rows.collect()
    assert rows["error"].to_list() == [None]


def test_the_hub_is_where_they_are_published(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", web.url("").rstrip("/"))
    web.files = {f"datasets/nkp37/OpenVid-1M/resolve/main/{name}": zipped for name, zipped in web.files.items()}
    path = write(tmp_path / "a.csv", [line(name) for name in NAMES[:6]])
    urls = read(path, options("hf://datasets/nkp37/OpenVid-1M")).rows.collect()["url"]
    where = "hf://datasets/nkp37/OpenVid-1M/OpenVid_part1_partaa"
    assert urls[3].startswith(f"zip://1a2b3c/d_3_0to93.mp4::{where}#offset=0&")
    for url, content in zip(urls, CLIPS.values(), strict=False):
        assert fetch(make_client(tmp_path), url, tmp_path / "a.mp4", 10**6).read_bytes() == content
