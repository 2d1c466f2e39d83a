"""One odd thing in a list of 200 videos, of any kind and at any place, costs one row and says why."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from pydantic import TypeAdapter
from support.odd import ADDRESSES, make_odd
from support.texts import alarms

from slurm.errors import ITEM_CODES, ItemError
from stages.core.sources.opt_out import OptOut
from stages.download import Config as Download
from stages.download import download_video
from stages.ingest import Auto, Config, Input, read_catalogue

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("seed", range(200))
def test_one_odd_thing_costs_one_row(tmp_path: Path, seed: int) -> None:
    odd = make_odd(tmp_path, seed)
    found = read_catalogue(Config(Input(str(odd.path)), Auto("auto"), OptOut(None), alarms())).rows.collect(
        engine="streaming"
    )
    good, bad = (found.filter(pl.col("error").is_null() == fine) for fine in (True, False))
    assert good.select(pl.coalesce("url", "path")).to_series().sort().to_list() == sorted(odd.good), odd.kind
    assert len(bad) == 1, odd.kind
    assert bad["error"][0] in odd.codes & ITEM_CODES.keys(), odd.kind
    assert bad["error_detail"][0], odd.kind
    assert found["video_id"].n_unique() == len(found)


def download_config(**access: object) -> Download:
    given = yaml.safe_load((ROOT / "conf" / "stage" / "download.yaml").read_text())
    given["access"] |= access
    return TypeAdapter(Download).validate_python({name: given[name] for name in Download.__dataclass_fields__})


@pytest.mark.parametrize("kind", ADDRESSES)
def test_an_odd_address_that_reaches_a_download_is_the_rows_error(tmp_path: Path, kind: str) -> None:
    row: dict[str, object] = {"video_id": "a", "path": None, "url": ADDRESSES[kind]}
    with pytest.raises(ItemError) as raised:
        download_video(row, download_config(), str(tmp_path / "store"), tmp_path / "pace")
    assert raised.value.code == "bad_value"


@pytest.mark.parametrize("address", ["/etc/hostname", "file:///etc/hostname", "zip://a::/x.zip", "parquet://a@1::/x"])
def test_a_list_of_strangers_reads_no_file_of_this_machine(tmp_path: Path, address: str) -> None:
    row: dict[str, object] = {"video_id": "a", "path": address, "url": None}
    with pytest.raises(ItemError) as raised:
        download_video(row, download_config(local=False), str(tmp_path / "store"), tmp_path / "pace")
    assert raised.value.code == "not_allowed"
