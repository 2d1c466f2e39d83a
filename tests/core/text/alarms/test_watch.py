"""A step whose texts are all alike stops early, says why, keeps what it has, and goes on when it is told to."""

import os
import random
from pathlib import Path

import polars as pl
from support.runs import CONF, ROOT, command

from slurm.record.manifest import Step

WORDS = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]
SAME = "The video shows a black screen, and nothing else can be seen in it."


def fine(number: int) -> list[str]:
    rng = random.Random(1)
    return [" ".join(rng.choices(WORDS, k=30)) for _ in range(number)]


class Captions:
    """A run whose videos have these titles, which its step gives as captions."""

    def __init__(self, folder: Path, titles: list[str]) -> None:
        self.runs, self.asked_file = folder / "runs", folder / "asked.txt"
        self.asked_file.touch()
        ids = [f"v{n:04d}" for n in range(len(titles))]
        pl.DataFrame({"video_id": ids, "url": [f"https://e.org/{i}.mp4" for i in ids], "title": titles}).write_parquet(
            folder / "videos.parquet"
        )
        self.at = [f"runs={self.runs}", "run=r"]
        self.input = [f"input.path={folder}/videos.parquet", "source=urls"]

    def caption(self, *words: str) -> str:
        env = {"PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}"}
        common = [f"--config-dir={CONF}", *self.at, *self.input, f"asked={self.asked_file}"]
        said = command("support.captioner", *common, *words, env=env)
        return said.stdout + said.stderr

    def slurm(self, verb: str, *words: str) -> str:
        env = {"PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}"}
        said = command("slurm", verb, *self.at, *words, env=env)
        return said.stdout + said.stderr

    @property
    def asked(self) -> list[str]:
        return self.asked_file.read_text().split()

    @property
    def captions(self) -> pl.DataFrame:
        rows = Step(self.runs / "r", "captioner").scan()
        assert rows is not None
        return rows.collect()


def test_one_text_for_all_stops_the_step_at_the_first_hundred_and_a_larger_share_lets_it_go_on(tmp_path: Path) -> None:
    run = Captions(tmp_path, [SAME] * 250)
    run.caption("chunks.size=250", "chunks.flush_s=1000")
    assert len(run.asked) == 100
    told = run.slurm("status")
    assert "1 chunks failed: alarm" in told
    assert '100.00% of 100 texts in caption are equal to many others, such as "The video shows a black' in told
    assert 'on 100 rows: "v0000", "v0001", "v0002"' in told
    assert "alarms.max_share.same=0.1" in told
    run.slurm("resume")
    assert len(run.asked) == 100
    assert "set aside" in run.slurm("status")
    run.caption("chunks.size=250", "alarms.max_share.same=1")
    run.slurm("resume", "force=true")
    assert sorted(run.asked) == run.captions["video_id"].to_list()
    assert run.captions["caption"].unique().to_list() == [SAME]
    told = run.slurm("status")
    assert "captioner: of 250 texts in caption 100.00% are equal to many others\n" in told
    assert 'texts in caption that are equal to many others, such as "The video shows a black' in told


def test_small_chunks_see_what_others_finished_and_the_rest_ask_nothing(tmp_path: Path) -> None:
    run = Captions(tmp_path, [SAME] * 250)
    run.caption("chunks.size=40", "retry.breaker=1000", "cluster.parallel=1")
    assert 100 <= len(run.asked) <= 140
    told = run.slurm("status")
    assert "2 of 7" in told
    assert "5 chunks failed: alarm" in told


def test_what_alarms_at_the_very_end_is_not_slipped_past_by_resume(tmp_path: Path) -> None:
    run = Captions(tmp_path, [*fine(101), *[SAME] * 20])
    run.caption("chunks.n=1")
    assert len(run.asked) == 121
    run.slurm("resume")
    assert "1 chunks failed: alarm" in run.slurm("status")
    run.caption("chunks.n=1", "alarms.max_share.same=0.2")
    run.slurm("resume", "force=true")
    assert len(run.asked) == 121
    assert len(run.captions) == 121


def test_refusals_count_though_their_rows_failed(tmp_path: Path) -> None:
    run = Captions(tmp_path, ["(refused)" if n % 4 == 0 else title for n, title in enumerate(fine(200))])
    run.caption("chunks.size=200")
    assert len(run.asked) == 100
    assert "25.00% of 100 texts in caption are refusals" in run.slurm("status")


def test_texts_that_differ_stop_nothing_and_status_says_their_shares(tmp_path: Path) -> None:
    run = Captions(tmp_path, [SAME if n % 3 == 0 else title for n, title in enumerate(fine(150))])
    run.caption("chunks.size=75", "alarms.often.same=0.5")
    told = run.slurm("status")
    assert "2 of 2" in told
    assert told.count("texts in caption") == told.count("captioner: 150 texts in caption: no alarm\n") == 1
