"""A figure beside its bar, and beside the same one of another commit."""

import subprocess
from pathlib import Path

import pytest

from scripts.bench.__main__ import Tree, compared, main
from scripts.bench.lines import Line
from scripts.bench.trees import has, lay_over, renamed, tree_of


def test_a_line_says_whether_its_bar_is_met() -> None:
    assert Line("x", 1.2, "s", 1.15).cells() == ("x", "1.200", "s", "<= 1.15", "[red]short[/]", "")
    assert Line("x", 7.0, "", 6.5, at_least=True).cells()[3:5] == (">= 6.5", "[green]ok[/]")
    assert Line("x", 7.0, how="y").cells() == ("x", "7.000", "", "", "", "y")
    assert Line("x", "none", "", "none").cells()[3:5] == ("none", "[green]ok[/]")
    assert Line("x", "skipped", "s", 1.5, "no Slurm").cells()[3:] == ("", "", "no Slurm")


def test_a_ratio_is_the_median_of_the_rounds_and_held_against_its_bar() -> None:
    def lines(*seconds: float) -> list[Line]:
        return [Line("status", value, "s", against=0.5) for value in seconds]

    trees = [Tree("here", Path()), Tree("abc", Path())]
    table = compared("x", {"status": {"here": lines(1, 8, 3), "abc": lines(1, 4, 2)}}, trees)
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells == ["status", "3.000", "2.000", "s", "1.500", "<= 0.5", "[red]short[/]", "1.000, 2.000, 1.500"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "unknown benchmark 'nothing'; there are: startup, plan"),
        ([], "say which benchmark"),
        (["startup", "rows=3"], "unknown key rows=; valid there: small, times, against"),
    ],
)
def test_an_unknown_word_is_refused_with_the_valid_ones(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose first commit has one of its modules elsewhere, and no benchmark."""
    root = tmp_path / "repository"

    def commit(message: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        subprocess.run(["git", "-C", root, *author, "commit", "-q", "-m", message], check=True)

    def write(path: str, text: str) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    subprocess.run(["git", "init", "-q", root], check=True)
    write("slurm/manifest.py", "number = 42  # as it was\n")
    write("stages/core/pack/__main__.py", "print('packed by its old name')\n")
    write("stages/core/stage.py", "class Stage:\n    name: str\n\n\ndef main() -> None: ...\n")
    commit("before")
    (root / "slurm" / "manifest.py").unlink()
    (root / "stages" / "core" / "stage.py").unlink()
    write("stages/core/runner/stage.py", "class Stage:\n    name: str\n")
    write("stages/core/command_line/start.py", "def main() -> None: ...\n")
    (root / "stages" / "core" / "pack" / "__main__.py").unlink()
    write("slurm/record/manifest.py", "number = 42  # as it was\n")
    write("stages/core/models/pack/__main__.py", "print('packed by its old name')\n")
    write("scripts/bench/__main__.py", "")
    write("scripts/bench/x.py", "from slurm.record.manifest import number\nMODULE = 'stages.core.models.pack'\n")
    write("scripts/bench/y.py", "from stages.core.command_line.start import main\n")
    commit("after")
    return root


def test_in_a_commit_without_the_benchmark_ours_finds_its_modules_by_their_old_names(
    repository: Path, tmp_path: Path
) -> None:
    tree = tree_of("HEAD~1", tmp_path / "tree", repository)
    assert not has(tree, "scripts.bench.x")
    lay_over(tree, "HEAD~1", repository)
    assert has(tree, "scripts.bench.x")
    assert (tree / "scripts" / "bench" / "x.py").read_text() == (
        "from slurm.manifest import number\nMODULE = 'stages.core.pack'\n"
    )
    assert (tree / "scripts" / "bench" / "y.py").read_text() == "from stages.core.stage import main\n"
    assert has(tree_of("HEAD", tmp_path / "head", repository), "scripts.bench.x")


def test_of_a_dotted_name_the_longest_part_that_was_moved_counts() -> None:
    then = {"slurm.a.b": "slurm.b", "slurm.a.b.c": "slurm.c"}
    assert [renamed(name, then) for name in ("slurm.a.b.c.D", "slurm.a.b.x", "slurm.a.x")] == [
        "slurm.c.D",
        "slurm.b.x",
        "slurm.a.x",
    ]


def test_an_unknown_commit_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"against=nowhere: .*git log"):
        tree_of("nowhere", tmp_path / "tree")
