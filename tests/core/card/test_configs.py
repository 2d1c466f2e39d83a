"""Where configs lie, and their columns as the card has them."""

import pyarrow as pa
import pytest

from slurm.errors import InputError
from stages.core.card.configs import describe_fields, folders_of, plain_name, size_category


def test_one_config_lies_at_the_top_and_several_in_folders_of_their_names() -> None:
    assert folders_of(["package"], None) == {"package": ""}
    assert folders_of(["a", "b@x=1,y=2"], None) == {"a": "a", "b@x=1,y=2": "b-x-1-y-2"}
    assert folders_of(["a", "b"], {"b": "more/b"}) == {"a": "a", "b": "more/b"}


@pytest.mark.parametrize(
    "folders",
    [{"a": "x", "b": "x"}, {"a": "x", "b": "x/y"}, {"a": "x/y", "b": "x"}, {"a": "", "b": "x"}, {"a": "b"}],
)
def test_two_configs_into_one_folder_are_refused(folders: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"two configs into one folder: a into .*, b into"):
        folders_of(["a", "b"], folders)


def test_names_that_begin_alike_are_two_folders() -> None:
    assert folders_of(["a", "b"], {"a": "x", "b": "xy"}) == {"a": "x", "b": "xy"}


@pytest.mark.parametrize("folder", ["../up", "a/.git", "a b", ".hidden"])
def test_a_folder_that_is_none_is_refused(folder: str) -> None:
    with pytest.raises(InputError, match=r"folders\.a="):
        folders_of(["a"], {"a": folder})


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(InputError, match="folders: 'c' is no step"):
        folders_of(["a", "b"], {"c": "x"})


def test_columns_are_described_as_datasets_reads_them() -> None:
    person = pa.struct([("name", pa.string()), ("ages", pa.list_(pa.int64()))])
    schema = pa.schema([("mp4", pa.binary()), ("x", pa.float64()), ("cast", pa.list_(person)), ("one", person)])
    fields = [{"name": "name", "dtype": "string"}, {"name": "ages", "list": "int64"}]
    assert list(describe_fields(schema)) == [
        {"name": "mp4", "dtype": "binary"},
        {"name": "x", "dtype": "float64"},
        {"name": "cast", "list": fields},
        {"name": "one", "struct": fields},
    ]


def test_names_and_sizes() -> None:
    assert plain_name("package@format=folder") == "package-format-folder"
    assert [size_category(rows) for rows in (999, 1000, 2_000_000)] == ["n<1K", "1K<n<10K", "1M<n<10M"]
