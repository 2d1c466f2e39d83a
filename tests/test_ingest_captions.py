"""Captions of a source: on how many clips each stands, which of them alarm, and what a filter makes of that."""

import random
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest
from support.runs import command
from support.texts import alarms

from slurm.errors import AlarmError
from slurm.record.manifest import Step
from slurm.table import read_table
from stages.core.runner.stage import Former
from stages.core.sources import lvd2m
from stages.core.sources.opt_out import OptOut
from stages.ingest import Config, Input, run

WORDS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]
SAME = "The video shows a man in a suit who speaks to the camera, and then 3 others come in from the left."
CLIPS = 300


def write(folder: Path, first: int, number: int) -> None:
    """LVD-2M's table of so many clips, two a video: every tenth refined caption is SAME, whatever the clip shows."""
    rng = random.Random(first)
    lines = [
        {
            "key": f"v{n // 2:010d}_{n % 2}",
            "video_id": f"v{n // 2:010d}",
            "span": f"['0:00:{5 + 20 * (n % 2):02d}', '0:00:{16 + 20 * (n % 2):02d}.5']",
            "raw_caption": " ".join(rng.choices(WORDS, k=40)),
            "refined_caption": SAME.upper().replace("3", str(n)) if n % 10 == 0 else " ".join(rng.choices(WORDS, k=30)),
            "rewritten_caption": None if n % 2 else f"a dog {n}",
        }
        for n in range(first, first + number)
    ]
    pl.DataFrame(lines).write_csv(folder / f"ytb_{first}.csv")


def test_a_caption_on_many_clips_is_counted_told_and_filtered(tmp_path: Path) -> None:
    (source := tmp_path / "lvd").mkdir()
    write(source, 0, CLIPS)
    at = [f"runs={tmp_path}/runs", "run=r"]
    ingest = [*at, "source=lvd2m", f"input.path={source}"]
    assert command("stages.ingest", *ingest).returncode == 0
    spans = read_table(str(tmp_path / "runs" / "r"), "ingest", "spans").collect()
    shown = spans.with_columns(n=pl.int_range(pl.len()))
    assert shown.filter(pl.col("n") % 10 == 0)["refined_caption_rows"].unique().to_list() == [30]
    assert shown.filter(pl.col("n") % 10 != 0)["refined_caption_rows"].unique().to_list() == [1]
    assert spans["raw_caption_rows"].unique().to_list() == [1]
    assert spans["rewritten_caption_rows"].to_list() == [150, None] * 150
    assert spans["orig_caption_rows"].null_count() == CLIPS
    told = command("slurm", "status", *at).stdout
    assert "ingest: of 300 texts in refined_caption 10.00% are equal to many others" in told
    assert 'ingest: texts in refined_caption that are equal to many others, such as "THE VIDEO SHOWS' in told
    assert 'on 30 rows: "v0000000000_0", "v0000000005_0", "v0000000010_0"' in told
    assert "ingest: of 150 texts in rewritten_caption 100.00% are equal to many others" in told
    assert "ingest: 300 texts in raw_caption: no alarm" in told
    rule = ["rules.once.column=spans.refined_caption_rows", "rules.once.reduce=max", "rules.once.below=10"]
    done = command("stages.filter", *at, "after=ingest", "rules=[]", *rule)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = Step(tmp_path / "runs" / "r", "filter").kept().collect()
    assert len(kept) == CLIPS // 2 - 30
    write(source, CLIPS, 100)
    assert command("stages.ingest", *ingest, "extend=true").returncode == 0
    grown = read_table(str(tmp_path / "runs" / "r"), "ingest", "spans").collect()
    assert grown["refined_caption_rows"].unique().sort().to_list() == [1, 30, 40]


def test_captions_stop_an_ingest_only_where_it_is_told_so(tmp_path: Path) -> None:
    (source := tmp_path / "lvd").mkdir()
    write(source, 0, CLIPS)
    said: dict[str, str] = {}
    former = Former(0, {}, warn=said.__setitem__)
    for limit, stops in ((None, False), (0.2, False), (0.05, True)):
        settings = alarms("refined_caption", max_share={"same": limit})
        config = Config(Input(str(source)), lvd2m.Options("lvd2m", None), OptOut(None), settings)
        with pytest.raises(AlarmError, match=r"alarms\.max_share\.same=0\.05") if stops else nullcontext():
            run({}, config, tmp_path, former)
    assert [*said] == ["same of refined_caption"]
