"""Addresses: how each is fetched, and those that can be that of nothing."""

import pytest

from slurm.errors import ItemError
from stages.core.storage.addresses import classify_address, find_fault, is_local
from stages.core.storage.remote import open_source_system


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/a/b.mp4", "local"),
        ("b c:d.mp4", "local"),
        ("HTTPS://e.org/B.MP4?x=1", "http"),
        ("http://[::1]:80/b.ts", "http"),
        ("https://e.org/watch?v=b.mp4", "site"),
        ("hf://datasets/o/n@r/b.mp4", "hub"),
        ("s3://bucket/b.mp4", "files"),
        ("ftp://host/b.mp4", "files"),
        ("zip://in/b.mp4::https://host/x.zip", "zip"),
        ("zip://in/b.mp4::/data/x.zip#offset=1&packed=2&size=2&crc=3&parts=4,5", "zip"),
        ("parquet://mp4@12::hf://datasets/o/n/0.parquet", "cell"),
    ],
)
def test_an_address_that_can_be_fetched_has_a_kind_and_no_fault(address: str, kind: str) -> None:
    assert find_fault(address) is None
    assert classify_address(address) == kind


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        (f"/a/{'x' * 300}.mp4", "a name of 304 bytes"),
        (f"/a/{'ü' * 130}.mp4", "a name of 264 bytes"),
        ("/a" * 2100, "longer than 4096 bytes"),
        ("/a\0b", "zero byte"),
        *((f"{scheme}://x/y.mp4", "is none of http, https") for scheme in ("dbfs", "reference", "dir", "data", "sftp")),
        *((f"{scheme}://x/y.mp4", "is none of http, https") for scheme in ("ssh", "smb", "gdrive", "local", "memory")),
        ("simplecache::s3://b/a", "is none of"),
        ("://", "is none of"),
        ("s3://b/a::file:///c", "two addresses in one"),
        ("ftp://", "nothing is named"),
        ("http://[bad/a.mp4", "Invalid IPv6"),
        ("http:///a.mp4", "not the name of a host"),
        ("http://", "not the name of a host"),
        ("http://e.org:x/a.mp4", "Port could not"),
        (f"https://{'a' * 64}.com/a.mp4", "not the name of a host"),
        ("zip://a.mp4", "in which file"),
        ("parquet://a@1::", "in which file"),
        ("zip://a::zip://b::/c.zip", "a file in a file"),
        ("zip://a::dbfs://x", "dbfs:// is none of"),
        (f"zip://a::/x.zip#offset={'9' * 5000}&packed=1&size=1&crc=1&parts=1", "more than 18 digits"),
        (f"parquet://a@{'9' * 5000}::/x", "more than 18 digits"),
    ],
)
def test_an_address_that_can_be_that_of_nothing_is_told(address: str, fault: str) -> None:
    assert fault in str(find_fault(address))


def test_what_a_library_is_missing_for_is_the_rows_error_with_the_right_package() -> None:
    with pytest.raises(ItemError, match="gcsfs: pip install gcsfs") as raised:
        open_source_system("gs://bucket/a.mp4")
    assert raised.value.code == "unreadable"


@pytest.mark.parametrize(
    "address",
    ["/a/b.mp4", "b.mp4", "file:///a", "FILE:///a", "zip://a::/x.zip", "parquet://a@1::/x", "zip://a::file:///x"],
)
def test_files_of_this_machine_are_known_as_such(address: str) -> None:
    assert is_local(address)


@pytest.mark.parametrize(
    "address", ["https://e.org/a", "s3://b/a", "zip://a::https://e.org/x.zip", "hf://datasets/a/b/c"]
)
def test_files_of_other_machines_are_not(address: str) -> None:
    assert not is_local(address)
