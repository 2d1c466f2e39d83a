"""Steps of one submission that ask the same model servers."""

from pathlib import Path

import pytest
from support.runs import command


@pytest.mark.parametrize("word", ["steps.annotate.pool.max_tokens=9", "steps.annotate.engine=tgi"])
def test_one_pool_with_two_settings_is_refused_before_anything_is_there(tmp_path: Path, word: str) -> None:
    (tmp_path / "a.mp4").touch()
    words = ("finevideo", "run=r", f"runs={tmp_path}/runs", "source=folder", f"input.path={tmp_path}", "dry_run=true")
    done = command("stages", *words, word)
    assert done.returncode == 2
    assert "steps categorize and annotate ask one pool, text, each with another" in done.stderr
    assert "steps.annotate.pool.name=NAME" in done.stderr
    assert command("stages", *words, word, "steps.annotate.pool.name=other").returncode == 0
    assert not (tmp_path / "runs").exists()
