"""Words of opt_out that are none: each is told, and nothing is changed."""

from pathlib import Path

import pytest
from support.removed import go, make_films, write_list

from scripts.opt_out import main
from slurm.errors import InputError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    write_list(make_films(place / "films"), place / "list.parquet")
    assert go(place, "ingest") == 0
    return place / "runs" / "r"


@pytest.mark.parametrize("word", ["proof=maybe", "dry_run=1", "id=a"])
def test_a_word_that_is_none_is_refused(run: Path, word: str) -> None:
    with pytest.raises(InputError, match=word.partition("=")[0]):
        main(["run=r", f"runs={run.parent}", "ids=alpinelake", word])
