"""What a person types as a value is taken for that, whatever Hydra's grammar would make of it."""

import os
from pathlib import Path

import pytest
from support.runs import planned

from slurm.conf import as_typed, quoted, reads, unquoted
from slurm.errors import InputError
from stages.core.command_line.points import point_name
from stages.core.command_line.words import last

NAMES = [
    *(
        "a b",
        "a,b",
        "a(b)",
        "a=b",
        "a#b",
        "a'b",
        "'a",
        "a~b",
        "a$b",
        'a"b',
        '"',
        "a[b]",
        "[a]",
        "a{b}",
        "{a: b}",
        "a:b",
    ),
    *(
        "a%b",
        "a%jb",
        "a*b",
        "a?b",
        "a;b",
        "a&b",
        "a!b",
        "a@b",
        "a\\b",
        "a\\",
        'a\\"b\\',
        "ü",
        " lead",
        "trail ",
        "-dash",
    ),
    *("007", "2024", "true", "1e3", "range(3)", "a|b", "<a>", "a`b", "+a", "a b, (c) [x] #1"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_what_was_typed(name: str) -> None:
    for value in (f"/data/{name}", f"/data/{name}/videos", f"./{name}"):
        for key in ("input.path", "steps.probe.folder"):
            word = as_typed(f"{key}={value}", sweep=False)
            read = word.partition("=")[2]
            assert (reads(key, read), last([word], key)) == (value, value)
            assert as_typed(word, sweep=False) == word  # a run remembers its words


@pytest.mark.parametrize("name", [name for name in NAMES if name[0] not in "'\""])
def test_a_bare_name_of_a_file_is_what_was_typed(name: str) -> None:
    assert last([as_typed(f"input.path={name}", sweep=False)], "input.path") == name
    assert unquoted(quoted(name)) == name


def test_a_path_reaches_the_config_as_it_was_typed(tmp_path: Path) -> None:
    place = f"{tmp_path}/a b, (c) [x] {{y}} #1 'q' \"r\" ~z $v =%j ü\\\\"
    wanted = planned(f"runs={place}", f"input.path={place}/videos", "run=2024", "pipeline=clips")[0]
    assert (wanted.run, wanted.config.input.path) == (Path(place, "2024"), f"{place}/videos")


def test_a_tilde_is_the_home_directory() -> None:
    home = str(Path.home())
    assert as_typed("input.path=~/x", sweep=False) == f"input.path={home}/x"
    assert as_typed("steps.probe.folder=~", sweep=False) == f"steps.probe.folder={home}"
    assert as_typed("input.path=~/a b,~/(c)", sweep=True) == f'input.path={home}/a b,"{home}/(c)"'
    assert as_typed("~rules.motion", sweep=False) == "~rules.motion"


@pytest.mark.parametrize(
    "word",
    [
        *("opt_out.path=null", "cluster=slurm", "chunks.size=3", "after=[split,frames]", "rules.motion.min=0.1,0.5"),
        *("cluster.setup=[module load a/b,source x]", "cluster.extra={a: b}", "input.path='/a b'", "+a@b.c=d"),
        "input.path=${oc.env:HOME,/x}/videos",
    ],
)
def test_what_hydra_reads_as_it_was_meant_stays(word: str) -> None:
    assert as_typed(word, sweep=False) == word


@pytest.mark.parametrize("word", ["=3", "a b=3", "x=0.1,"])
def test_what_is_no_key_and_value_is_named(word: str) -> None:
    with pytest.raises(InputError, match="cannot be read as key=value"):
        as_typed(word, sweep=word[-1] == ",")


def test_a_folder_of_configs_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "conf" / "rules").mkdir(parents=True)
    (tmp_path / "conf" / "rules" / "mine.yaml").write_text(
        "luma: {column: null, reduce: mean, min: 0.1, max: null, above: null, per: null}\n"
    )
    words = (
        "--config-dir=~/conf",
        "run=r",
        f"runs={tmp_path}",
        "pipeline=clips",
        "steps.filter.rules=mine",
        "input.path=x",
    )
    assert list(planned(*words)[3].config.rules) == ["luma"]
    assert os.listdir(tmp_path) == ["conf"]


def test_a_point_is_no_pattern_of_sbatch() -> None:
    assert point_name("cut", ["preset=50%j"]) == "cut@preset=50％j"
