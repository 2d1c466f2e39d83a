"""Each task takes the next entry of the proxies and cookies, and no secret appears in any text."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from slurm.errors import InputError
from stages.core.fetch.access import Identity, check, choose_identity
from stages.core.fetch.settings import Access

COOKIES = (
    "# Netscape HTTP Cookie File\n"
    ".example.org\tTRUE\t/\tTRUE\t0\tSID\ts3cr3t/value+1\n"
    "#HttpOnly_.example.org\tTRUE\t/\tTRUE\t0\tHSID\thidden-one\n"
    ".example.org\tTRUE\t/\tFALSE\t0\tHD\t1\n"
)
Give = Callable[[str, str], str]


@pytest.fixture
def give(tmp_path: Path) -> Give:
    """Writes a file that only its owner can read."""

    def give(name: str, text: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(0o600)
        return str(file)

    return give


def turn(monkeypatch: pytest.MonkeyPatch, access: Access, index: int, restart: int = 0) -> Identity:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(index))
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restart))
    return choose_identity(access)


def test_tasks_take_the_lines_in_turn_and_the_next_one_after_a_requeue(
    give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = give("proxies", "# ours\nhttp://one:1\n\n  socks5h://u:p@two:2  \nthree:3\n")
    access = Access(proxies, None, None)
    found = [turn(monkeypatch, access, index).proxy for index in range(4)]
    assert found == ["http://one:1", "socks5h://u:p@two:2", "http://three:3", "http://one:1"]
    assert turn(monkeypatch, access, 0, restart=1).proxy == "socks5h://u:p@two:2"
    assert turn(monkeypatch, access, 2, restart=1).proxy == "http://one:1"


def test_cookies_are_one_file_for_all_or_the_files_of_a_folder_in_turn(
    give: Give, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jar/b.txt", "jar/a.txt", "jar/c.txt", "jar/notes.md"):
        give(name, f"{COOKIES}# {name}\n")
    access = Access(None, str(tmp_path / "jar"), None)
    found = [str(turn(monkeypatch, access, index).cookies).split()[-1] for index in range(4)]
    assert found == ["jar/a.txt", "jar/b.txt", "jar/c.txt", "jar/a.txt"]
    one = Access(None, str(tmp_path / "jar" / "b.txt"), None)
    assert turn(monkeypatch, one, 0) == turn(monkeypatch, one, 5)


def test_without_any_of_them_a_task_goes_out_as_it_is() -> None:
    check(Access(None, None, None))
    own = choose_identity(Access(None, None, None))
    assert (own.proxy, own.cookies, own.source_address) == (None, None, None)


def test_the_source_address_is_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: dict[str, str] = {"n1": "10.0.0.1", "n2": "10.0.0.2"}
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert choose_identity(Access(None, None, addresses)).source_address == "10.0.0.2"
    assert choose_identity(Access(None, None, "10.0.0.9")).source_address == "10.0.0.9"
    monkeypatch.setenv("SLURMD_NODENAME", "n3")
    with pytest.raises(InputError, match=r"access\.source_address names no address for node n3, only for: n1, n2"):
        choose_identity(Access(None, None, addresses))
    monkeypatch.delenv("SLURMD_NODENAME")
    own = {os.uname().nodename: "10.0.0.3"}
    assert choose_identity(Access(None, None, own)).source_address == "10.0.0.3"


@pytest.mark.parametrize("content", ["", "# none\n\n", "http://fine:1\nhttp://user:hush@host:port\n", "ftp://host:1\n"])
def test_a_bad_list_of_proxies_is_refused_and_nothing_of_it_is_shown(give: Give, content: str) -> None:
    access = Access(give("proxies", content), None, None)
    for read in (check, choose_identity):
        with pytest.raises(InputError, match=r"^access\.proxies: .*proxies") as caught:
            read(access)
        assert "hush" not in str(caught.value)
        assert "user:hush@host:port" not in repr(caught.value.__cause__)


def test_a_bad_line_is_reported_by_its_number(give: Give) -> None:
    with pytest.raises(InputError, match=r"line 3 of .* is not a proxy URL"):
        check(Access(give("proxies", "# x\nhttp://fine:1\nhttp://\n"), None, None))


def test_a_file_that_is_not_there_is_empty_or_no_text_is_named_with_its_key(give: Give, tmp_path: Path) -> None:
    (tmp_path / "noise.txt").write_bytes(bytes(range(256)))
    (tmp_path / "none").mkdir()
    gone, empty = str(tmp_path / "gone.txt"), give("empty.txt", " \n")
    for key, path in [("proxies", gone), ("cookies", gone), ("proxies", empty), ("cookies", empty)]:
        access = Access(**cast(Any, {"proxies": None, "cookies": None, "source_address": None, key: path}))
        for read in (check, choose_identity):
            with pytest.raises(InputError, match=rf"^access\.{key}: {path}"):
                read(access)
    with pytest.raises(InputError, match=r"^access\.cookies: .*noise\.txt contains no text"):
        check(Access(None, str(tmp_path / "noise.txt"), None))
    with pytest.raises(InputError, match=r"^access\.cookies: no \.txt file in the folder .*none"):
        check(Access(None, str(tmp_path / "none"), None))
    with pytest.raises(InputError, match=r"^access\.proxies: .*none cannot be read"):
        check(Access(str(tmp_path / "none"), None, None))


def test_cookies_that_everybody_can_read_are_warned_of(give: Give, caplog: pytest.LogCaptureFixture) -> None:
    path = give("cookies.txt", COOKIES)
    with caplog.at_level(logging.WARNING):
        check(Access(None, path, None))
        assert caplog.messages == []
        Path(path).chmod(0o644)
        check(Access(None, path, None))
    assert caplog.messages == [f"access.cookies: every user can read {path}; `chmod 600` on it mends that"]


def test_no_password_and_no_cookie_stays_in_a_text() -> None:
    own = Identity("http://Ann:p%40ss@proxy.net:8080", COOKIES)
    text = (
        "GET https://site.org/v?id=1 via http://Ann:p%40ss@proxy.net:8080 as Ann with p@ss: 407; "
        "Proxy-Authorization: Basic QW5uOnBAc3M=; Cookie: SID=s3cr3t/value+1; HSID=hidden-one; HD=1; "
        "s3cr3t%2Fvalue%2B1; ftp://other:word@host/x; 111 of 1 kept"
    )
    redact = own.redact(text)
    for secret in ("Ann", "p%40ss", "p@ss", "QW5uOnBAc3M=", "s3cr3t", "hidden-one", "other:word"):
        assert secret not in redact
    for plain in ("https://site.org/v?id=1", "***@proxy.net:8080", "SID=***", "HD=1", "***@host/x", "111 of 1 kept"):
        assert plain in redact
    assert Identity().redact("https://site.org/v?id=1 took 3 s") == "https://site.org/v?id=1 took 3 s"


def test_an_identity_shows_nothing_of_itself() -> None:
    own = Identity("http://Ann:hush@proxy.net:8080", COOKIES)
    assert "hush" not in repr(own) + str(own)
    assert "hidden" not in repr(own) + str(own)
