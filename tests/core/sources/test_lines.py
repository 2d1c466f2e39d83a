"""Lines of CSV and JSONL: what is good is read as Python reads it, what is bad costs its line and is named."""

import csv
import random
from io import StringIO
from pathlib import Path

import polars as pl
import pytest

from slurm.errors import InputError
from stages.core.sources import lines
from stages.core.sources.lines import CsvRows, Parsed, json_objects
from stages.core.sources.opt_out import read_opt_out
from stages.core.sources.tables import scan
from stages.core.sources.urls import Options, read


def csv_of(text: str) -> list[Parsed]:
    return list(CsvRows(StringIO(text, newline=""), ","))


def told(rows: list[Parsed]) -> list[object]:
    return [row.error.detail if row.error else row.value for row in rows]


def test_well_formed_csv_is_read_as_the_csv_module_reads_it() -> None:
    generator = random.Random(1)
    for _ in range(200):
        fields = [["".join(generator.choices('a", \n\r;é', k=4)) or "-" for _ in range(3)] for _ in range(9)]
        file = StringIO(newline="")
        end = generator.choice(["\n", "\r\n", "\r"])
        csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(fields)
        assert [row.value for row in csv_of(file.getvalue())] == fields


@pytest.mark.parametrize(
    ("bad", "line", "why"),
    [
        ('b,"5 inch', 3, "a quote is not closed"),
        ('b,"5 inch\nc,"x, y",1', 3, "a quote is not closed"),  # closed by a line that is whole by itself
        ("b,x,1,2", 3, "4 fields, of 3 in the header"),
    ],
)
def test_a_bad_line_costs_itself(bad: str, line: int, why: str) -> None:
    rows = csv_of(f'path,title,n\na,"two\nlines",1\n{bad}\nd,z,1\n'.replace('"two\nlines"', '"two lines"'))
    assert [row.error.detail for row in rows if row.error] == [f"line {line}: {why}"]
    assert {str(row.error.code) for row in rows if row.error} == {"bad_line"}
    good = [row.value[0] for row in rows if not row.error]
    assert good == ["path", "a", *(["c"] if "\nc" in bad else []), "d"]


def test_an_inch_mark_in_a_field_is_one() -> None:
    assert told(csv_of('path,title\na,7" single\nb,"7"" single"\n')) == [
        ["path", "title"],
        ["a", '7" single'],
        ["b", '7" single'],
    ]


def test_a_line_number_is_that_of_the_file() -> None:
    text = 'path,title\n\na,"two\nlines"\nb,x,y\n'
    assert told(csv_of(text)) == [["path", "title"], ["a", "two\nlines"], "line 5: 3 fields, of 2 in the header"]


@pytest.mark.parametrize("end", ["https://e.o", '"https://e.o', 'a,"b', "a,b,"])
def test_a_last_line_that_is_torn_is_no_row(end: str) -> None:
    rows = csv_of(f"url,title,n\nhttps://e.org/1,A,1\n{end}")
    torn = end != "a,b,"  # which has all its fields
    assert [row.error is not None for row in rows] == [False, False, torn]


def test_a_line_with_fewer_fields_has_null_for_the_rest(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,title\na\nb,B\n")
    assert scan(str(tmp_path / "l.csv")).collect()["title"].to_list() == [None, "B"]


def test_every_line_is_read_at_most_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    class Counted(list[str]):
        def append(self, line: str) -> None:
            nonlocal taken
            taken += 1
            super().append(line)

    for hostile in (['a,"b'], ['a,"b', 'c,""d', 'e,""""'], ['"', '""', '"""'], ['a,b,"', "c"], ['"a"b', 'c,"']):
        rows = CsvRows(StringIO("x,y\n" + "\n".join(hostile * 500)), ",")
        rows.taken, taken = Counted(), 0
        assert len(list(rows)) > 1
        assert taken <= 3 * (500 * len(hostile) + 1)


def test_a_line_longer_than_memory_should_hold_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_CHARS", 40)
    monkeypatch.setattr(lines, "SKIPPED_CHARS", 7)
    long = "x" * 100
    assert [row.error is None for row in csv_of(f'a,b\n1,2\n{long},2\n3,4\n5,"6\n{long}\n7,8\n')] == [
        True, True, False, True, False, False, True,
    ]  # fmt: skip
    objects = json_objects(StringIO(f'{{"a": 1}}\n{{"a": "{long}"}}\n{{"a": 2}}\n'))
    assert [row.value for row in objects] == [{"a": 1}, None, {"a": 2}]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ('{"url": "https://e.o', "bad_line"),
        ("[1]", "bad_line"),
        ("PAR1", "bad_line"),
        pytest.param('{"url": "https://e.org/2", "tags": ' + "[" * 100_000, "bad_value", id="too deep"),
    ],
)
def test_a_line_that_is_no_json_costs_itself(tmp_path: Path, bad: str, code: str) -> None:
    file = tmp_path / "l.jsonl"
    file.write_text(f'{{"url": "https://e.org/1", "views": 3}}\n\n{bad}\n{{"url": "https://e.org/3"}}\n')
    found = read(str(file), Options("urls", None, None, {})).rows.collect(engine="streaming")
    assert found["url"].to_list() == ["https://e.org/1", None, "https://e.org/3"]
    assert found["error"].to_list() == [None, code, None]
    assert found["error_detail"][1].startswith(f"{file}: line 3: ")
    assert found["views"].to_list() == [3, None, None]


def test_objects_may_differ_in_keys_and_kinds_of_values(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"a": 1}\n{"b": [1, "x"], "a": "y"}\n{"a": {"c": null}}\n')
    table = scan(str(tmp_path / "l.jsonl"), "row").collect()
    assert table.columns[:3] == ["row", "a", "b"]
    assert table["a"].to_list() == ["1", "y", '{"c": null}']
    assert table["b"].to_list() == [None, '[1, "x"]', None]


@pytest.mark.parametrize("name", ["l.csv", "l.jsonl"])
def test_a_list_of_who_opted_out_with_a_bad_line_is_refused(tmp_path: Path, name: str) -> None:
    """Who wants to be left out may stand in it."""
    text = "url\nhttps://e.org/1\na,b\n" if "csv" in name else '{"url": "https://e.org/1"}\n{"url": "ht'
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name} cannot be read: line [23]: "):
        read_opt_out(str(tmp_path / name))


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("a,b,a\n1,2,3\n4,5,6\n7,8,9\n")
    table = scan(str(tmp_path / "l.csv"))
    assert table.select("b").head(2).collect()["b"].to_list() == ["2", "5"]
    assert table.filter(pl.col("a") == "4").select("a_1").collect()["a_1"].to_list() == ["6"]
    assert table.select(pl.len()).collect().item() == 3
