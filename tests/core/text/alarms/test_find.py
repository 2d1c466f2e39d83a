"""Alarms over a table: how many texts have each, and which they are."""

import random
from pathlib import Path

import polars as pl
import pytest
from support.texts import alarms

from stages.core.text.alarms.find import Alarm, find_alarms
from stages.core.text.alarms.settings import KINDS

WORDS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]
SAME = "The video shows 2 men on a stage who talk, and then the screen turns black."


def grammar(rng: random.Random) -> str:
    """A caption: any two have a Jaccard index far below 0.5."""
    return f"{' '.join(rng.choices(WORDS, k=30)).capitalize()}. {' '.join(rng.choices(WORDS, k=9)).capitalize()}."


def table(texts: list[str | None], folder: Path, **columns: list[str | None]) -> pl.LazyFrame:
    """These texts as the column `caption` of a Parquet file, with ids c0, c1, …"""
    ids = [f"c{n}" for n in range(len(texts))]
    data = {"clip_id": ids, "caption": texts, **columns}
    pl.DataFrame(data, schema=dict.fromkeys(data, pl.String)).write_parquet(folder / "t.parquet", row_group_size=500)
    return pl.scan_parquet(folder / "t.parquet")


def shares(found: list[Alarm]) -> dict[str, tuple[int, int]]:
    """The alarms that any text raises: kind → (texts, of)."""
    assert [alarm.kind for alarm in found] == [*KINDS] * (len(found) // len(KINDS))
    return {alarm.kind: (alarm.rows, alarm.of) for alarm in found if alarm.rows}


@pytest.fixture
def captions() -> list[str]:
    rng = random.Random(1)
    return [grammar(rng) for _ in range(3000)]


def test_captions_of_a_grammar_raise_no_alarm(captions: list[str], tmp_path: Path) -> None:
    found = find_alarms(table([*captions], tmp_path), "clip_id", alarms("caption"))
    assert shares(found) == {}
    assert {alarm.of for alarm in found} == {3000}
    assert all(alarm.examples == [] for alarm in found)


def test_one_text_on_many_clips_is_found_whatever_its_case_and_numbers(captions: list[str], tmp_path: Path) -> None:
    texts: list[str | None] = [*captions]
    for n in range(40):
        texts[50 * n + 7] = SAME.upper().replace("2", str(n)) if n % 2 else f" {SAME[:-1]}  …"
    (same,) = (a for a in find_alarms(table(texts, tmp_path), "clip_id", alarms("caption")) if a.rows)
    assert (same.kind, same.rows, same.of, same.share) == ("same", 40, 3000, 40 / 3000)
    (example,) = same.examples
    assert (example.text, example.rows, example.ids) == (texts[7], 40, ["c7", "c57", "c107"])


def test_a_text_is_frequent_by_its_share_and_on_so_many_rows(captions: list[str], tmp_path: Path) -> None:
    rows = table([*captions[:400], *["a b c"] * 12, *["d e f"] * 9, *["g h i"] * 30], tmp_path)
    of = 451

    def found(**more: object) -> int:
        (same, *_) = find_alarms(rows, "clip_id", alarms("caption", **more))  # type: ignore[arg-type]
        assert same.of == of
        return same.rows

    assert found() == 42
    assert found(least_rows=9) == 51
    assert found(least_rows=31) == 0
    assert found(often={"same": 12 / of}) == 30
    assert found(often={"same": 11.9 / of}) == 42


def test_texts_with_a_word_changed_are_nearly_equal(captions: list[str], tmp_path: Path) -> None:
    family = [" ".join([*WORDS[:40], f"x{'abcdefghij'[n % 10]}{'klmno'[n // 10]}"]) for n in range(50)]
    found = find_alarms(table([*captions[:500], *family], tmp_path), "clip_id", alarms("caption"))
    assert shares(found) == {"near": (50, 550), "opening": (50, 550)}
    assert found[1].examples[0].ids == ["c500", "c501", "c502"]
    assert found[1].examples[0].rows == 50
    short = find_alarms(table([*captions[:500], *family], tmp_path), "clip_id", alarms("caption", sample=100))
    assert 5 < short[1].rows < 20
    assert short[1].of == 100


def test_first_words_alone_are_an_opening(captions: list[str], tmp_path: Path) -> None:
    opening = "In this video one can see how a person in a room does"
    texts = [f"{opening} {caption}" if n % 20 == 0 else caption for n, caption in enumerate(captions[:1000])]
    rows = table([*texts], tmp_path)
    assert shares(find_alarms(rows, "clip_id", alarms("caption"))) == {"opening": (50, 1000)}
    assert shares(find_alarms(rows, "clip_id", alarms("caption", opening_words=14))) == {}
    assert shares(find_alarms(rows, "clip_id", alarms("caption", often={"opening": 0.05}))) == {}


def test_refusals_loops_and_texts_that_break_off_count_one_by_one(captions: list[str], tmp_path: Path) -> None:
    texts: list[str | None] = [*captions[:200]]
    texts[3] = "I’m sorry, I cannot describe this clip."
    texts[4] = '"As an AI, I have no eyes."'
    texts[5] = "A dog runs. " + "It turns to the left again " * 6
    texts[6] = "A cat sits on a table. It looks at the"
    texts[7] = "A cat sits on a table. It looks at the dog,"
    texts[8] = "a cat on a table"
    found = find_alarms(table(texts, tmp_path), "clip_id", alarms("caption"))
    assert shares(found) == {"refused": (2, 200), "repetition": (1, 200), "truncated": (3, 200)}
    assert [example.ids for example in found[3].examples] == [["c3"], ["c4"]]
    assert found[4].examples[0].ids == ["c5"]


def test_rows_that_failed_so_count_and_others_do_not(captions: list[str], tmp_path: Path) -> None:
    codes: list[str | None] = ["refused"] * 3 + ["truncated"] * 2 + ["repetition"] + ["missing"] * 4 + [None] * 90
    rows = table([*captions[:100]], tmp_path, error=codes)
    assert shares(find_alarms(rows, "clip_id", alarms("caption"))) == {
        "refused": (3, 96),
        "repetition": (1, 96),
        "truncated": (2, 96),
    }


def test_each_column_has_its_own_alarms_and_rows_without_text_are_in_none(captions: list[str], tmp_path: Path) -> None:
    short: list[str | None] = [None, " ", *["a dog"] * 98]
    rows = table([*captions[:100]], tmp_path, short=short, empty=[None] * 100)
    found = find_alarms(rows, "clip_id", alarms("caption", "short", "empty"))
    assert [(a.column, a.kind, a.rows, a.of) for a in found if a.rows] == [("short", "same", 98, 98)]
    assert [a.of for a in found if a.column == "empty"] == [0] * len(KINDS)
    assert find_alarms(rows, "clip_id", alarms()) == []
