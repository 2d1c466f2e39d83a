"""How the video of a catalogue row is fetched, by its address.

/a/b.mp4, b.mp4                            local   linked
https://host/b.mp4                         http    a file: its path has a video suffix
https://host/anything else                 site    a page, read by yt-dlp's extractors
hf://datasets/org/name@rev/b.mp4           hub     a file of the Hugging Face Hub
s3://bucket/b.mp4, gs://…, …               files   any address that fsspec opens
zip://in/b.mp4::https://host/x.zip         zip     a member of a zip file, see zips.py
parquet://mp4@12::hf://…/0.parquet          cell    the bytes in a row (from 0) of a column of a Parquet file
"""

from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

AddressKind = Literal["local", "http", "site", "hub", "files", "zip", "cell"]

VIDEO_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv", ".ogv", ".3gp"}


def classify_address(address: str) -> AddressKind:
    """The kind of a path or URL; nothing is opened."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        return "local"
    if scheme in ("zip", "parquet", "hf"):
        return {"zip": "zip", "parquet": "cell", "hf": "hub"}[scheme]  # type: ignore[return-value]
    if scheme in ("http", "https"):
        return "http" if PurePosixPath(urlsplit(address).path).suffix.lower() in VIDEO_SUFFIXES else "site"
    return "files"
