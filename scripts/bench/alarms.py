"""Alarms over texts: equal ones and openings over all, nearly equal ones over a sample, and none among what differs.

python -m scripts.bench alarms [texts=2000000] [sample=200000] [words=85]
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from pydantic import TypeAdapter

from scripts.bench.lines import ROOT, Line, ran
from stages.core.text.alarms.find import find_alarms
from stages.core.text.alarms.settings import Alarms

WORDS, COPIES, FAMILY = 3000, 4000, 2000
SYLLABLES = ("ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve")
AT_ONCE = 50_000


def measure(
    folder: Path, *, small: bool = False, texts: int = 2_000_000, sample: int = 200_000, words: int = 85
) -> Iterator[Line]:
    texts, sample = (20_000, 2_000) if small else (texts, sample)
    copies, family = max(20, COPIES * texts // 2_000_000), max(20, FAMILY * sample // 200_000)
    file, near = folder / "texts.parquet", folder / "near.parquet"
    ran(
        "-m", "scripts.bench.alarms", "texts", file, *map(str, (texts, words, copies))
    )  # elsewhere: this process stays small
    ran("-m", "scripts.bench.alarms", "near", near, *map(str, (sample, words, family)))
    equal = ran("-m", "scripts.bench.alarms", "find", file, "0")
    found = dict(line.split() for line in equal.output.splitlines())
    yield Line(f"equal texts and first words of {texts:,} texts of {words} words", equal.wall_s, "s", 60)
    yield Line("memory of that", equal.peak_gib, "GiB", 2)
    yield Line(f"texts that stand on many rows, of {copies:,}", float(found["same"]), "", copies, at_least=True)
    others = float(found["same"]) + float(found["opening"]) - copies
    yield Line("others that alarm", others, "", 0, how=f"{equal.cpu_s:.1f} s of CPU")
    alike = ran("-m", "scripts.bench.alarms", "find", near, str(sample))
    found = dict(line.split() for line in alike.output.splitlines())
    yield Line(f"nearly equal texts of {sample:,}", alike.wall_s, "s", 60)
    yield Line("memory of the nearly equal ones", alike.peak_gib, "GiB")
    yield Line(f"texts that are nearly equal to many, of {family:,}", float(found["near"]), "", family, at_least=True)
    others = float(found["near"]) + float(found["same"]) - family
    yield Line("others that are nearly equal", others, "", 0, how=f"{alike.cpu_s:.1f} s of CPU")


def make_texts(random: np.random.Generator, number: int, words: int) -> list[str]:
    """Captions of words at random: any two have hardly a shingle in common."""
    known = ["".join(random.choice(SYLLABLES, 3)) for _ in range(WORDS)]
    drawn = random.integers(0, WORDS, (number, words))
    return [" ".join([known[word] for word in row]).capitalize() + "." for row in drawn.tolist()]


def write_texts(file: Path, number: int, words: int, copies: int) -> None:
    """Texts of which one stands on so many rows, with another case and other digits on each."""
    random = np.random.default_rng(1)
    same = make_texts(random, 1, words)[0]
    placed = set(random.choice(number, copies, replace=False).tolist())
    parts = []
    for at in range(0, number, AT_ONCE):
        made = make_texts(random, min(AT_ONCE, number - at), words)
        copy = (same, same.upper())
        made = [f"{copy[n % 2]} {at + n}" if at + n in placed else text for n, text in enumerate(made)]
        part = file.with_suffix(f".{at}.parquet")
        pl.DataFrame({"caption": made}).write_parquet(part)
        parts.append(part)
    pl.scan_parquet(parts).with_row_index("id").sink_parquet(file)


def write_near(file: Path, number: int, words: int, family: int) -> None:
    """Texts of which so many are one text with another word in one place."""
    random = np.random.default_rng(2)
    made = make_texts(random, number, words)
    base = made[0].split()
    for row in random.choice(np.arange(1, number), family - 1, replace=False).tolist():
        place = int(random.integers(0, words))
        made[row] = " ".join([*base[:place], "".join(random.choice(SYLLABLES, 5)), *base[place + 1 :]])
    pl.DataFrame({"caption": made}).with_row_index("id").write_parquet(file)


def find(file: Path, sample: int) -> None:
    """Prints how many texts of a file have each alarm, near-equal ones looked for in so many."""
    said = yaml.safe_load((ROOT / "conf" / "alarms" / "texts.yaml").read_text())
    settings = TypeAdapter(Alarms).validate_python(said | {"columns": ["caption"], "sample": sample})
    for alarm in find_alarms(pl.scan_parquet(file), "id", settings):
        print(alarm.kind, alarm.rows)


COMMANDS: dict[str, Callable[..., None]] = {"find": find, "texts": write_texts, "near": write_near}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](Path(sys.argv[2]), *map(int, sys.argv[3:]))
