"""Members of zip files, from a real server or disk: complete or an error, and with few requests."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.web import Web
from support.zips import cut, make_client, noise, packed

from slurm.errors import ItemError
from stages.core.fetch.throttled import ThrottledError
from stages.core.fetch.web.archive import TAIL_BYTES, LocalFiles
from stages.core.fetch.web.http import HttpClient
from stages.core.fetch.web.zips import MemberLocation, address, directory, fetch, parse

ENOUGH = 2**40
MEMBERS = {f"in/clip {number}.mp4": noise(number, 3000 + 500 * number) for number in range(20)}
TEXT = {"long.txt": b"so it goes " * 300_000, "empty.txt": b"", "short.txt": b"and on"}


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as served:
        yield served


@pytest.fixture
def http(tmp_path: Path) -> HttpClient:
    return make_client(tmp_path)


def streamed(members: dict[str, bytes]) -> bytes:
    """As a writer makes it that cannot go back: sizes stand behind the data, and not in the local headers."""

    class Pipe(io.RawIOBase):
        out = io.BytesIO()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            return self.out.write(data)  # type: ignore[arg-type]

    with zipfile.ZipFile(io.BufferedWriter(pipe := Pipe()), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return pipe.out.getvalue()


def zip64(members: dict[str, bytes]) -> bytes:
    """As a large one: sizes, offsets and the end record in their 64-bit places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, "ZIP64_LIMIT", 100)
        return packed(members)


KINDS: dict[str, Callable[[], tuple[dict[str, bytes], bytes]]] = {
    "stored": lambda: (MEMBERS, packed(MEMBERS)),
    "deflated": lambda: (TEXT, packed(TEXT, zipfile.ZIP_DEFLATED)),
    "streamed": lambda: (MEMBERS, streamed(MEMBERS)),
    "ZIP64": lambda: (MEMBERS, zip64(MEMBERS)),
    "the longest comment": lambda: (MEMBERS, packed(MEMBERS, comment=b"-" * 65_535)),
    "something before it": lambda: (MEMBERS, noise(99, 70_000) + packed(MEMBERS)),
    "ZIP64 and something before it": lambda: (MEMBERS, noise(99, 70_000) + zip64(MEMBERS)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_member_comes_as_it_was_packed(kind: str, web: Web, http: HttpClient, tmp_path: Path) -> None:
    members, web.files["x.zip"] = KINDS[kind]()
    places = directory(http, web.url("x.zip"))
    assert places.keys() == members.keys()
    for name, place in places.items():
        member = address(name, web.url("x.zip"), place)
        assert fetch(http, member, tmp_path / "a", ENOUGH).read_bytes() == members[name]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


AWKWARD = {  # bytes from the beginning, or from the end
    "in the end record": (-10,),
    "before the end record": (-22,),
    "in the directory": (-22 - 40,),
    "in the first local header": (17,),
    "in the data": (6000,),
    "between two members": (30 + len("in/clip 0.mp4") + 3000,),
    "in three places": (5, 6000, -100),
}


@pytest.mark.parametrize("place", AWKWARD)
def test_a_split_zip_is_read_over_its_borders(place: str, web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files |= cut(packed(MEMBERS), *AWKWARD[place])
    for name, where in directory(http, web.url("x_partaa")).items():
        member = address(name, web.url("x_partaa"), where)
        assert fetch(http, member, tmp_path / "a", ENOUGH).read_bytes() == MEMBERS[name]


def test_a_directory_costs_three_requests_however_long_it_is(web: Web, http: HttpClient, tmp_path: Path) -> None:
    members = {f"clip-{number}.mp4": b"%d" % number for number in range(70_000)}
    web.files["x.zip"] = packed(members)
    places = directory(http, web.url("x.zip"))
    assert len(places) == 70_000
    assert len(web.requests) == 3
    sent = sum(request.sent_bytes for request in web.requests)
    assert sent < TAIL_BYTES + 70_000 * (46 + len("clip-70000.mp4"))
    member = address("clip-66000.mp4", web.url("x.zip"), places["clip-66000.mp4"])
    assert fetch(http, member, tmp_path / "a", ENOUGH).read_bytes() == b"66000"


def test_a_member_costs_one_request_and_hardly_more_than_its_bytes(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files["x.zip"] = packed(MEMBERS)
    places = directory(http, web.url("x.zip"))
    assert len(web.requests) == 2
    web.requests.clear()
    for name, place in places.items():
        fetch(http, address(name, web.url("x.zip"), place), tmp_path / "a", ENOUGH)
    assert len(web.requests) == len(MEMBERS)
    sent = sum(request.sent_bytes for request in web.requests)
    assert sent <= sum(len(content) + 200 for content in MEMBERS.values())


def test_a_long_local_header_costs_one_request_more(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files["x.zip"] = packed(MEMBERS, extra=struct.pack("<HH", 0xCAFE, 5000) + bytes(5000))
    name, place = next(iter(directory(http, web.url("x.zip")).items()))
    web.requests.clear()
    fetched = fetch(http, address(name, web.url("x.zip"), place), tmp_path / "a", ENOUGH)
    assert fetched.read_bytes() == MEMBERS[name]
    assert len(web.requests) == 2


def test_the_directory_is_read_once_for_addresses_without_location(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files |= cut(packed(MEMBERS), 6000)
    for name, content in MEMBERS.items():
        member = f"zip://{name}::{web.url('x_partaa')}"
        assert fetch(http, member, tmp_path / "a", ENOUGH).read_bytes() == content
    assert len(web.asked("x_partac")) == 1
    assert len(web.requests) <= 4 + 2 + len(MEMBERS)
    with pytest.raises(ItemError, match=r"no 'in/clip 99.mp4' among the 20 members") as caught:
        fetch(http, f"zip://in/clip 99.mp4::{web.url('x_partaa')}", tmp_path / "a", ENOUGH)
    assert caught.value.code == "missing"


def test_a_local_zip_is_read_by_the_same_code(http: HttpClient, tmp_path: Path) -> None:
    for name, content in cut(packed(MEMBERS), 6000).items():
        (tmp_path / name).write_bytes(content)
    where = str(tmp_path / "x_partaa")
    for name, place in directory(http, where).items():
        assert fetch(http, address(name, where, place), tmp_path / "a", ENOUGH).read_bytes() == MEMBERS[name]


def test_a_member_behind_the_first_four_gib_is_found(http: HttpClient, tmp_path: Path) -> None:
    large = tmp_path / "x.zip"
    with large.open("wb") as out:
        out.truncate(5 * 2**30)  # a hole: it takes no room on the disk
    with zipfile.ZipFile(large, "a") as archive:
        archive.writestr("a.mp4", b"far away")
    place = directory(http, str(large))["a.mp4"]
    assert place.offset == 5 * 2**30
    assert fetch(http, address("a.mp4", str(large), place), tmp_path / "a", ENOUGH).read_bytes() == b"far away"


def test_of_two_members_with_one_name_the_last_counts_and_folders_do_not(http: HttpClient, tmp_path: Path) -> None:
    where = tmp_path / "x.zip"
    with zipfile.ZipFile(where, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.mkdir("in")
        archive.writestr("in/a.mp4", b"first")
        archive.writestr("in/a.mp4", b"second")
    assert directory(http, str(where)).keys() == {"in/a.mp4"}
    assert fetch(http, f"zip://in/a.mp4::{where}", tmp_path / "a", ENOUGH).read_bytes() == b"second"


@pytest.mark.parametrize("name", ["a#offset=1&b.mp4", "in::a.mp4", "50% off.mp4", "Ærø ?.mp4", "zip://a.mp4"])
def test_an_address_survives_any_name(name: str) -> None:
    place = MemberLocation(1, 2, 3, 4, (5, 6))
    assert parse(address(name, "https://host/a#1/x_partaa", place)) == (name, "https://host/a#1/x_partaa", place)
    assert parse(f"zip://{name.replace('%', '%25').replace('::', '%3A%3A')}::/x.zip") == (name, "/x.zip", None)


def spoilt(content: bytes, place: int, value: bytes) -> bytes:
    return content[:place] + value + content[place + len(value) :]


DATA = 30 + len("a.mp4")  # where the data of the first member begins
ONE = {"a.mp4": bytes(100_000)}
BAD: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "other data": (lambda: spoilt(packed(ONE), DATA + 9, b"!"), "corrupt", "with CRC .* not 100000 bytes"),
    "other packed data": (lambda: spoilt(packed(ONE, zipfile.ZIP_DEFLATED), DATA, b"!!!!"), "corrupt", "invalid"),
    "no local header": (lambda: spoilt(packed(ONE), 0, b"!"), "corrupt", "there is no member at byte 0"),
    "encrypted": (lambda: spoilt(packed(ONE), 6, b"\1"), "no_format", "encrypted"),
    "another method": (lambda: packed(ONE, zipfile.ZIP_BZIP2), "no_format", "method 12"),
    "cut at the front": (lambda: packed(ONE)[50:], "corrupt", "outside"),
    "cut at the end": (lambda: packed(ONE)[:-30], "corrupt", "not a complete zip file"),
    "cut in the directory": (
        lambda: packed(ONE)[:-60] + packed(ONE)[-22:],
        "corrupt",
        "there is no member|not a complete zip",
    ),
    "no zip file": (lambda: noise(1, 100_000), "corrupt", "not a complete zip file"),
    "empty": (lambda: b"", "corrupt", "not a complete zip file"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_whole_leaves_an_error_and_no_file(what: str, web: Web, http: HttpClient, tmp_path: Path) -> None:
    make, code, told = BAD[what]
    web.files["x.zip"] = make()
    with pytest.raises(ItemError, match=told) as caught:
        fetch(http, f"zip://a.mp4::{web.url('x.zip')}", tmp_path / "a", ENOUGH)
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def test_a_member_that_unfolds_to_more_than_it_says_is_stopped(http: HttpClient, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(packed({"a.mp4": bytes(2**26)}, zipfile.ZIP_DEFLATED))
    place = directory(http, str(tmp_path / "x.zip"))["a.mp4"]._replace(size=5, crc=zlib.crc32(bytes(5)))
    with pytest.raises(ItemError, match=r"1048576 bytes with CRC .* not 5 bytes"):
        fetch(http, address("a.mp4", str(tmp_path / "x.zip"), place), tmp_path / "a", ENOUGH)


def test_a_split_zip_without_its_last_file_is_reported(web: Web, http: HttpClient) -> None:
    web.files |= cut(packed(MEMBERS), 6000, 9000)
    del web.files["x_partac"]
    with pytest.raises(ItemError, match=r"x_partaa and the parts after it, 2 files: not a complete zip file"):
        directory(http, web.url("x_partaa"))


def test_a_zip_that_was_cut_since_its_catalogue_was_made_is_reported(http: HttpClient, tmp_path: Path) -> None:
    where = tmp_path / "x.zip"
    where.write_bytes(packed(ONE))
    member = address("a.mp4", str(where), directory(http, str(where))["a.mp4"])
    where.write_bytes(packed(ONE)[:50_000])
    with pytest.raises(ItemError, match=r"ends at byte 50000") as caught:
        fetch(http, member, tmp_path / "a", ENOUGH)
    assert caught.value.code == "corrupt"


def test_a_zip_without_members_has_an_empty_directory(http: HttpClient, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(packed({}))
    assert directory(http, str(tmp_path / "x.zip")) == {}


def test_a_zip_that_is_not_there_is_reported(web: Web, http: HttpClient, tmp_path: Path) -> None:
    for where, code in ((web.url("x.zip"), "removed"), (str(tmp_path / "x.zip"), "missing"), ("s3://b/x", "bad_value")):
        with pytest.raises(ItemError) as caught:
            directory(http, where)
        assert caught.value.code == code
    with pytest.raises(ItemError, match=r"not an address like"):
        fetch(http, "zip://a.mp4", tmp_path / "a", ENOUGH)


def test_a_server_that_ignores_ranges_is_reported_before_all_has_come(
    web: Web, http: HttpClient, tmp_path: Path
) -> None:
    web.files["x.zip"] = packed({"a.mp4": bytes(2**26)})
    place = directory(http, web.url("x.zip"))["a.mp4"]
    web.fault("x.zip", "no_ranges")
    web.requests.clear()
    for ask in (
        lambda: directory(http, web.url("x.zip")),
        lambda: fetch(http, address("a.mp4", web.url("x.zip"), place._replace(packed=9)), tmp_path / "a", ENOUGH),
    ):
        with pytest.raises(ItemError, match=r"does not send bytes") as caught:
            ask()
        assert caught.value.code == "network"
    assert sum(request.sent_bytes for request in web.requests) < 2**24


def test_a_member_is_too_large_before_anything_is_asked_for(web: Web, http: HttpClient, tmp_path: Path) -> None:
    member = address("a.mp4", web.url("x.zip"), MemberLocation(0, 11, 11, 0, (100,)))
    with pytest.raises(ItemError, match=r"11 bytes are more than 10") as caught:
        fetch(http, member, tmp_path / "a", 10)
    assert (caught.value.code, web.requests) == ("too_large", [])


def test_a_broken_connection_is_resumed_and_leaves_nothing_if_lost(web: Web, http: HttpClient, tmp_path: Path) -> None:
    web.files["x.zip"] = packed(ONE)
    member = address("a.mp4", web.url("x.zip"), directory(http, web.url("x.zip"))["a.mp4"])
    web.fault("x.zip", "truncated", times=2)
    assert fetch(http, member, tmp_path / "a", ENOUGH).read_bytes() == ONE["a.mp4"]
    (tmp_path / "a").unlink()
    web.fault("x.zip", "truncated")
    web.fault("x.zip", "dropped", after=1)
    with pytest.raises(ItemError, match="network"):
        fetch(http, member, tmp_path / "a", ENOUGH)
    web.mend("x.zip")
    web.fault("x.zip", 429, 7)
    with pytest.raises(ThrottledError):
        fetch(http, member, tmp_path / "a", ENOUGH)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(packed(ONE))
    with pytest.raises(ItemError) as caught:
        fetch(LocalFiles(), f"zip://a.mp4::{tmp_path / 'x.zip'}", tmp_path / "no" / "folder" / "a", ENOUGH)
    assert caught.value.code == "disk"
