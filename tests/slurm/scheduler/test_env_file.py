"""Variables that no run directory is to hold come from a file; what is wrong with it is said before anything else."""

from pathlib import Path

import pytest
from support.runs import ProbeRun
from support.steps import cluster

from slurm.errors import InputError
from slurm.scheduler.environment import read_env_file, variables

GOOD = "# tokens\n\nA=abcdef\nexport B='b c'\nC=\nD=x=y\n"
BAD = {"A=abcdef\nno equals sign abcdef\n": "line 2", "1A=abcdef\n": "line 1", "A=abc\0def\n": "line 1"}


def test_lines_of_name_and_value_are_read(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(GOOD)
    assert read_env_file("cluster.env_file", str(tmp_path / "env")) == {"A": "abcdef", "B": "b c", "C": "", "D": "x=y"}
    assert variables(cluster(env={"A": "1"}, env_file=str(tmp_path / "env")))["A"] == "1"


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_line_is_named_without_what_stands_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "env").write_text(text)
    with pytest.raises(InputError, match=rf"^engine\.env_file: {BAD[text]} of .*NAME=VALUE") as error:
        read_env_file("engine.env_file", str(tmp_path / "env"))
    assert "abc" not in str(error.value)


@pytest.mark.parametrize("place", ["missing", "", "env"])
def test_a_file_that_cannot_be_read_is_named_at_submission(tmp_path: Path, place: str) -> None:
    path = "env" if place == "env" else tmp_path / place
    run = ProbeRun(tmp_path, 1, f"cluster.env_file={path}")
    with pytest.raises(InputError, match=r"cluster\.env_file="):
        run.submit()
    assert not run.run.exists()


def test_only_the_path_of_the_file_stands_in_the_run_and_tasks_have_its_variables(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("PROBE_TOKEN=abcdef\n")
    run = ProbeRun(tmp_path, 1, f"cluster.env_file={tmp_path / 'env'}", "cluster.setup=['[ -n \"$PROBE_TOKEN\" ]']")
    assert run.submit() == 0
    assert run.survey().complete()
    assert [path for path in run.run.rglob("*") if path.is_file() and b"abcdef" in path.read_bytes()] == []
