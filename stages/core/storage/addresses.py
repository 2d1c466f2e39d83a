"""How the video of a catalogue row is fetched, by its address.

/a/b.mp4, b.mp4                            local   linked
https://host/b.mp4                         http    a file: its path has a video suffix
https://host/anything else                 site    a page, read by yt-dlp's extractors
hf://datasets/org/name@rev/b.mp4           hub     a file of the Hugging Face Hub
s3://bucket/b.mp4, gs://…, …               files   any address that fsspec opens
zip://in/b.mp4::https://host/x.zip         zip     a member of a zip file, see zips.py
parquet://mp4@12::hf://…/0.parquet          cell    the bytes in a row (from 0) of a column of a Parquet file
"""

import re
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

AddressKind = Literal["local", "http", "site", "hub", "files", "zip", "cell"]

VIDEO_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v", ".ogv"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".m2t", ".mts", ".m2ts", ".mxf"),
}
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs")
SCHEMES = ("http", "https", "hf", *OBJECT_STORES, "ftp", "file")  # of fsspec's many, those that name one whole file
MOST_LABEL_CHARS = 63  # of a host's name, between its dots
MOST_NAME_BYTES, MOST_PATH_BYTES = 255, 4096  # Linux's limits


def classify_address(address: str) -> AddressKind:
    """The kind of a path or URL; nothing is opened."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        return "local"
    scheme = scheme.lower()
    if scheme in ("zip", "parquet", "hf"):
        return {"zip": "zip", "parquet": "cell", "hf": "hub"}[scheme]  # type: ignore[return-value]
    if scheme in ("http", "https"):
        return "http" if PurePosixPath(urlsplit(address).path).suffix.lower() in VIDEO_SUFFIXES else "site"
    return "files"


def host_of(address: str) -> str:
    """The host that is rate-limited for an address: that of a web address, else the scheme (all of hf:// is one)."""
    parts = urlsplit(address)
    return parts.hostname or address if parts.scheme in ("http", "https") else parts.scheme


def kind_if_usable(address: str, *, local: bool) -> AddressKind | None:
    """The kind of an address; None of one at which nothing can be, or of a local one where these are not allowed."""
    return None if find_fault(address) or (is_local(address) and not local) else classify_address(address)


def is_local(address: str) -> bool:
    """Whether what is at an address is read from a file of this machine."""
    scheme, separator, place = address.partition("://")
    if scheme.lower() in ("zip", "parquet") and separator:
        return is_local(place.partition("::")[2])
    return not separator or scheme.lower() == "file"


def find_fault(address: str) -> str | None:
    """Why no file or page can be at this address, whatever the world looks like; None if one can. Opens nothing."""
    scheme, separator, place = address.partition("://")
    scheme = scheme.lower()
    if "\0" in address:
        return "it has a zero byte"
    if not separator:
        return find_fault_of_path(address)
    if scheme in ("zip", "parquet"):
        return find_fault_of_member(address, place.partition("::")[2].partition("#offset=")[0])
    if scheme not in SCHEMES:
        return f"{scheme[:40]}:// is none of {', '.join(SCHEMES)}; if it is mounted, give it as a path"
    return find_fault_of_page(address) if scheme in ("http", "https") else find_fault_of_object(place)


def find_fault_of_member(address: str, file: str) -> str | None:
    if re.search(r"[@=,]-?\d{19}", address):
        return "a number of more than 18 digits"
    if file.partition("://")[0].lower() in ("zip", "parquet"):
        return "a file in a file in a file"
    return find_fault(file) if file else "it does not say in which file: …::ADDRESS is missing"


def find_fault_of_object(place: str) -> str | None:
    if "::" in place:
        return "two addresses in one"
    return None if place.strip("/") else "nothing is named behind its scheme"


def find_fault_of_page(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port  # which is a ValueError if it is none
    except ValueError as error:
        return str(error)
    is_host = host and port != 0 and max(map(len, host.split("."))) <= MOST_LABEL_CHARS
    return None if is_host else f"{host[:80]!r} is not the name of a host"


def find_fault_of_path(path: str) -> str | None:
    names = [len(name) for name in path.encode(errors="surrogateescape").split(b"/")]
    if max(names) > MOST_NAME_BYTES:
        return f"a name of {max(names)} bytes in it, {MOST_NAME_BYTES} at most"
    if sum(names) + len(names) > MOST_PATH_BYTES:
        return f"longer than {MOST_PATH_BYTES} bytes"
    return None
