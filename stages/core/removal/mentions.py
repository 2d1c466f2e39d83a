"""Where names that were removed are mentioned, in bytes of any kind.

A name counts where no letter or digit stands beside it, so that `film` is mentioned in `film_100_175.mp4` and not in
`filmed`; and not where it is part of a name that stays. One of less than SHORT bytes turns up in bytes by chance: it
counts only in text, where it is a value of its own, or part of a path or an address. Names are looked for as they are,
as JSON, URLs and HTML write them, and as files and samples are called by them.
"""

import html
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from urllib.parse import quote

import polars as pl

from stages.core.release.webdataset import key_of
from stages.core.storage.store import file_name

SHORT = 6  # bytes; one of six turns up by chance in every 280 TB
FEW = 32  # names that are looked for one by one …
QUICK = 1 << 24  # … as more are in so few bytes, times their number
BESIDE = 8  # bytes on either side of a short name that have to be text
MASK = b"(removed)"
BEFORE, BEHIND = b"/\\\"'=:\n", b"/\\\"'.?&#_,;:\n"  # what stands beside a value, or a part of a path
ALNUM = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def forms_of(name: str) -> set[bytes]:
    """The ways in which a name or an address may be written."""
    texts = {name, json.dumps(name)[1:-1], quote(name), quote(name, safe=""), html.escape(name)}
    return {text.encode(errors="surrogateescape") for text in texts if text}


def file_forms_of(name: str) -> set[bytes]:
    """What files and samples of a video are called."""
    return {file_name(name).encode(), key_of(name).encode()}


class Mentions:
    """Looks for names; `staying` are longer ones in which some of them are contained, and that are none of them."""

    def __init__(self, names: Iterable[str], staying: Collection[str] = (), addresses: Iterable[str] = ()) -> None:
        forms = {form: name for name in sorted(names) for form in sorted(forms_of(name) | file_forms_of(name))}
        known = Mentions(names) if addresses else None
        for address in sorted(addresses):  # most have the name of their video in them
            forms |= {form: address for form in sorted(forms_of(address)) if not (known and known.in_bytes(form))}
        self.forms = {form: name for form, name in forms.items() if not _has_part(form, forms)}
        kept = {form for name in staying for form in forms_of(name)} - self.forms.keys()
        self.staying = {form: [k for k in kept if form in k] for form in self.forms} if kept else {}
        self.longest = max(map(len, [*self.forms, *kept, b""]))

    def in_bytes(self, content: bytes) -> str | None:
        """The first name that is mentioned in the content of a file."""
        return next((self.forms[form] for form, _ in self._found(content, _stands_alone)), None)

    def in_text(self, text: str) -> str | None:
        """The first name that is mentioned in a value of a table, or the name of a file."""
        return self.in_bytes(text.encode(errors="surrogateescape"))

    def in_words(self, content: bytes) -> str | None:
        """As `in_bytes`, in lines that a program wrote: also short names between other words."""
        return next((self.forms[form] for form, _ in self._found(content, _is_word)), None)

    def masked(self, content: bytes) -> bytes:
        """Lines that a program wrote, with MASK for each name."""
        places = sorted((at, at + len(form)) for form, at in self._found(content, _is_word))
        parts, end = [], 0
        for start, stop in places:
            if start >= end:
                parts += [content[end:start], MASK]
                end = stop
        return b"".join([*parts, content[end:]])

    def _found(self, content: bytes, counts: Callable[[bytes, int, int], bool]) -> Iterator[tuple[bytes, int]]:
        few = len(self.forms) <= FEW or len(content) * len(self.forms) <= QUICK
        for form in self._one_by_one(content) if few else self._all_at_once(content):
            at = content.find(form)
            while at >= 0:
                stop = at + len(form)
                alone = _no_letters_beside(content, at, stop) and (len(form) >= SHORT or counts(content, at, stop))
                if alone and not self._stays(content, form, at):
                    yield form, at
                at = content.find(form, at + 1)

    def _stays(self, content: bytes, form: bytes, at: int) -> bool:
        """Whether it is part of a name that stays."""
        for name in self.staying.get(form, ()):
            inside = name.find(form)
            while inside >= 0:
                begin, end = at - inside, at - inside + len(name)
                if begin >= 0 and content[begin:end] == name and _no_letters_beside(content, begin, end):
                    return True
                inside = name.find(form, inside + 1)
        return False

    def _one_by_one(self, content: bytes) -> list[bytes]:
        return [form for form in self.forms if form in content]

    def _all_at_once(self, content: bytes) -> list[bytes]:
        """As `_one_by_one`, with one look at the content for all of them."""
        patterns = [form.decode("latin-1") for form in self.forms]
        found = pl.Series([content.decode("latin-1")]).str.extract_many(patterns, overlapping=True).explode()
        return [form.encode("latin-1") for form in found.drop_nulls().unique().sort()]


def _has_part(form: bytes, forms: Collection[bytes]) -> bool:
    """Whether a name that is long enough begins this one, and ends where a name may end."""
    return any(form[n] not in ALNUM and form[:n] in forms for n in range(SHORT, len(form)))


def _no_letters_beside(content: bytes, start: int, stop: int) -> bool:
    """Whether it is no part of a word; at an end that is no letter itself any may follow."""
    before, behind = content[start - 1 : start] if start else b"", content[stop : stop + 1]
    begins_inside = bool(before) and before[0] in ALNUM and content[start] in ALNUM
    ends_inside = bool(behind) and behind[0] in ALNUM and content[stop - 1] in ALNUM
    return not begins_inside and not ends_inside


def _stands_alone(content: bytes, start: int, stop: int) -> bool:
    """Whether a short name is a value of its own, or a part of a path or an address."""
    before, behind = content[start - 1 : start] if start else b"", content[stop : stop + 1]
    if (before and before not in _singles(BEFORE)) or (behind and behind not in _singles(BEHIND)):
        return False
    return _is_text(content, start, stop)


def _is_word(content: bytes, start: int, stop: int) -> bool:
    return _is_text(content, start, stop)


def _is_text(content: bytes, start: int, stop: int) -> bool:
    """Whether text stands on both sides; a letter of several bytes may be cut at the border."""
    before = content[max(0, start - BESIDE) : start].lstrip(bytes(range(0x80, 0xC0)))
    behind = content[stop : stop + BESIDE]
    whole = re.sub(rb"[\xc0-\xff][\x80-\xbf]{0,2}$", b"", behind)
    try:
        words = before.decode() + whole.decode()
    except UnicodeDecodeError:
        return False
    return not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", words)


def _singles(beside: bytes) -> frozenset[bytes]:
    return frozenset(beside[n : n + 1] for n in range(len(beside)))
