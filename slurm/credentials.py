"""Credentials that a person put into a config: what is shown or shared has *** in their place.

Every value of an `env` mapping, values of keys that are named like a secret, and inside any text: user:password@ and
signatures of addresses, NAME_TOKEN=value, the words of a command line that set such a key.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any

MASK = "***"
LEAST = 4  # a shorter value is a setting, and would be met in ordinary words
WHERE = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS"}  # of an env: which cluster is asked, no secret
PLACEHOLDER = re.compile(r"[{$].*\}|\$\w+")  # {key}, ${oc.env:NAME}: what is to be put there, not yet the value
KEY = re.compile(
    r"(?:.*[-_. ])?(token|secret|passw(or)?d|passphrase|credentials?|(api|access|secret|private)[-_]?key)", re.I
)
WORD = re.compile(r"([+~]*[\w.@/-]*\benv(?:[.@/][\w.@/-]+)?=)(.+)", re.DOTALL)  # cluster.env.NAME=value, engine.env={…}
# A name is matched from its first character and as a whole (++), and looked into ahead: an expression that tries again
# from every character of a name takes hours for a foreign text of some 100 kB.
IN_TEXT = [
    re.compile(
        r"((?:https?|ftps?|sftp|socks\w{0,4}|webdavs?|smb)://)[^/?#\s'\"]+(?=@)", re.I
    ),  # user, or user:password
    re.compile(r"(\w://)[^/?#\s:@'\"]*+:[^/?#\s'\"]*(?=@)"),
    re.compile(
        r"([?&;](?:(?=[\w.-]*?(?:token|secret|signature|passw(?:or)?d|credential|api[-_]?key|access[-_]?key))[\w.-]++"
        r"|sig|key)=)[^&#\s'\"]+",
        re.I,
    ),
    re.compile(
        r"((?<![\w-])(?=[\w-]*?(?:token(?!s)|secret|passw(?:or)?d|api[-_]?key|access[-_]?key))[\w-]++=['\"]?)"
        r"(?![{$*'\"]|\d+\b)[^\s'\"]+",
        re.I,
    ),
    re.compile(r"((?<![\w.-])(?=[\w.-]*?\benv\.[\w.-])[\w.-]++=['\"]?)(?![{$*'\"])[^\s'\"]+"),
    re.compile(r"(\bBearer )[\w.~+/=-]{8,}"),
]
HIDDEN = re.compile(r"^\*\*\*$|(://|=['\"]?|Bearer )\*\*\*")

_known: set[str] = set()  # values that this process has met where secrets stand


def conceal(values: Mapping[str, Any]) -> None:
    """Has `redact` hide these values of an env from now on, wherever they stand; not paths, which all messages have."""
    for name, value in values.items():
        if isinstance(value, str) and len(value) > LEAST and not value.startswith("/") and is_secret(name, value):
            _known.add(value)


def is_secret(name: str, value: Any) -> bool:
    """Whether a value of an env is to be hidden: not where Slurm is, nor {key}, nor what is too short to be one."""
    text = str(value)
    plain = text.startswith(MASK) or PLACEHOLDER.fullmatch(text) or len(text) < LEAST
    return value is not None and name.rpartition(".")[2] not in WHERE and not plain


def redact(text: str) -> str:
    """The text without credentials, as far as they can be told from other text or this process has met them."""
    if "=" in text or "://" in text or "Bearer" in text:
        for pattern in IN_TEXT:
            text = pattern.sub(rf"\1{MASK}", text)
    if _known and (values := [value for value in _known if value in text]):
        text = re.sub("|".join(map(re.escape, sorted(values, key=len, reverse=True))), MASK, text)
    return text


def conceal_words(words: Iterable[str]) -> None:
    """`conceal` for the words of a command line."""
    for word in words:
        if match := WORD.fullmatch(word):
            conceal({"": match[2].strip("'\"")})


def masked(value: Any, name: str = "", *, env: bool = False) -> Any:
    """A config or record with *** for each secret. `env`: it is a value of an `env` mapping called `name`.

    What holds no secret is given as it is, so that a hundred thousand chunks cost little.
    """
    if isinstance(value, dict):
        found = {key: masked(inner, str(key), env=env or name == "env") for key, inner in value.items()}
        return value if all(map(is_, found.values(), value.values())) else found
    if isinstance(value, list | tuple):
        parts = [masked(inner, name, env=env or name == "env") for inner in value]
        return value if all(map(is_, parts, value)) else parts
    if env or ("env." in name and "env" in name.split(".")[:-1]):
        return MASK if is_secret(name, value) else value
    if not isinstance(value, str):
        return value
    if KEY.fullmatch(name):
        return MASK if is_secret(name, value) else value
    word = WORD.fullmatch(value) if "=" in value else None
    return word[1] + MASK if word and is_secret(word[1], word[2]) else redact(value)


def masked_at(keys: Sequence[object], value: Any) -> Any:
    """A value of a config as it may be shown, by the keys that lead to it."""
    return masked(value, str(keys[-1]) if keys else "", env="env" in keys)


def decisive(value: Any, shown: Any) -> Any:
    """What stands for a value in what decides a result: as shown, and a hash where all of it is hidden."""
    return f"{MASK} {hashlib.sha256(str(value).encode()).hexdigest()[:8]}" if shown == MASK and value != MASK else shown


def take_out(value: Any, shown: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Where a value differs from its masked form: the keys that lead there, and what stood there."""
    if value is shown:
        return
    if isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from take_out(inner, shown[key], (*at, key))
    elif value != shown:
        yield at, value


def conceal_all(config: Any) -> None:
    """`conceal` for all secrets of a config that somebody else prints."""
    _known.update(str(secret) for _, secret in take_out(config, masked(config)))


def put_back(content: Any, at: Sequence[str | int], secret: Any) -> None:
    """Puts a secret back where its record has *** now; nowhere if it has not."""
    key, *rest = at
    places = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    if key not in places:
        return
    if rest:
        put_back(content[key], rest, secret)
    elif MASK in str(content[key]):
        content[key] = secret


def hidden(value: Any, at: str = "") -> list[str]:
    """The keys, joined by dots, of what is still *** in a record: its secrets could not be read."""
    if isinstance(value, Mapping):
        return [key for name, inner in value.items() for key in hidden(inner, f"{at}.{name}".lstrip("."))]
    if isinstance(value, list | tuple):
        return [key for inner in value for key in hidden(inner, at)]
    return [at] if isinstance(value, str) and HIDDEN.search(value) else []
