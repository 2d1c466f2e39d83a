"""Whose files are obeyed: those that say what is executed must be the caller's, root's, or of a user whom he trusts.

Whom he trusts he says himself (cluster.trust=[alice]), or a file of his own does; never the file that is in question.
The owner is asked of the opened file, so that nobody can exchange it in between, and no link leads elsewhere.
"""

import errno
import grp
import json
import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from slurm.errors import InputError

_trusted: set[int] = set()  # users, beside the caller and root
_readers = [0]  # how many `reading` blocks are open


class UntrustedError(InputError):
    """A file that says what is executed may have been written by somebody whom the caller does not trust."""


class Text(NamedTuple):
    """The content of a file, whether it is the caller's own, and whether it may say what is executed."""

    content: bytes
    own: bool
    obeyed: bool


def trust(users: Iterable[str | int]) -> None:
    """Obeys files of these users from now on, given by name or number."""
    if isinstance(users, str):
        raise InputError(f"cluster.trust={users}: it is a list of users, cluster.trust=[{users}]")
    for user in users:
        try:
            _trusted.add(int(user) if str(user).isdigit() else pwd.getpwnam(str(user)).pw_uid)
        except KeyError:
            raise InputError(f"cluster.trust: there is no user {str(user)!r} on {os.uname().nodename}") from None


def trusted() -> list[str | int]:
    """Whom the caller trusts, by name."""
    return [*sorted(user_name(user) for user in _trusted)]


def trust_as_said(words: Sequence[str], run: Path) -> None:
    """Trusts whom the words of a command line name; without such a word, whom the caller's own files there name."""
    said = [value for key, _, value in (word.lstrip("+~").partition("=") for word in words) if key == "cluster.trust"]
    if said:
        import yaml  # here, since tasks come by this module and read none

        with suppress(yaml.YAMLError):
            trust(yaml.safe_load(said[-1]) or ())
        return
    for path in run.glob("*/cluster.json"):
        with suppress(OSError, ValueError, UntrustedError):
            found = read(path)
            trust(json.loads(found.content).get("trust", ()) if found.own else ())


@contextmanager
def reading() -> Iterator[None]:
    """In this block files are only read: nothing that they say is executed, so that they may be anybody's."""
    _readers[0] += 1
    try:
        yield
    finally:
        _readers[0] -= 1


def only_reads() -> bool:
    return bool(_readers[0])


def read(path: Path, *, decides: bool = True) -> Text:
    """The file; an UntrustedError if it decides (`decides`) what is executed, and somebody else may have written it."""
    strict = decides and not only_reads()
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if strict else 0))
    except OSError as error:
        if error.errno == errno.ELOOP and strict:
            raise UntrustedError(f"{path} is a link, and says what is executed: put the file itself there") from None
        raise
    with open(opened, "rb") as file:  # noqa: PTH123
        about = os.fstat(opened)
        own, wrong = about.st_uid == os.geteuid(), objection(path, about)
        if wrong and strict:
            raise UntrustedError(wrong)
        return Text(file.read(), own and not wrong, not wrong)


def is_own(path: Path) -> bool:
    """Whether the file is the caller's; also where there is none."""
    return not path.exists() or path.lstat().st_uid == os.geteuid()


def objection(path: Path, about: os.stat_result) -> str:
    """Why a file is not to be obeyed, and what to do about it; "" if it is."""
    if about.st_uid not in {os.geteuid(), 0, *_trusted}:
        name = user_name(about.st_uid)
        users = ",".join(sorted({*map(str, trusted()), name}))
        return f"{path} belongs to {name}, and says what is executed: if you trust {name}, say cluster.trust=[{users}]"
    if about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and not has_one_member(about)):
        return f"{path} can be written by others, and says what is executed: look what it says, then chmod go-w {path}"
    return "" if stat.S_ISREG(about.st_mode) else f"{path} is no file: remove it"


def has_one_member(about: os.stat_result) -> bool:
    """Whether the file's group is the one that many systems make for each user."""
    try:
        group, user = grp.getgrgid(about.st_gid), pwd.getpwuid(about.st_uid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and not {*group.gr_mem} - {user.pw_name}


def user_name(user: int | None = None) -> str:
    """The name of a user, by default the caller's; the number of one who has none."""
    user = os.geteuid() if user is None else user
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
