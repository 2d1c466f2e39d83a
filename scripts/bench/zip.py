"""Counts what it costs to find and fetch 100 of 10,000 members of a remote zip file, in requests and bytes.

They are counted by the server, a local one; the requests for sizes count, too. The members are small, so that what is
read besides them weighs more than it does with videos.
"""

import csv
import io
import random
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from support.web import Web
from support.zips import cut, make_client, packed

from scripts.bench.lines import ROOT, Line
from stages.core.fetch.web.zips import fetch, parse
from stages.core.sources.openvid import Options, read

MEMBER_BYTES = 10_000
WHOLE = "OpenVid_part0.zip"


def measure(folder: Path, *, members: int = 10_000, wanted: int = 100, small: bool = False) -> Iterator[Line]:
    members, wanted = (200, 5) if small else (members, wanted)
    made = random.Random(0)
    clips = {f"mp4/clip_{n}_0to{n}.mp4": made.randbytes(MEMBER_BYTES) for n in range(members)}
    whole = packed(clips)
    split = {name.replace("x_", "OpenVid_part0_"): piece for name, piece in cut(whole, len(whole) // 2).items()}
    for what, files, urls in (
        ("catalogue and download, one file", {WHOLE: whole}, with_places),
        ("catalogue and download, two files", split, with_places),
        ("download of addresses without place", {WHOLE: whole}, without_places),
    ):
        yield from case(folder / "out", what, files, clips, wanted=wanted, urls=urls)


def catalogue(path: Path, names: list[str], count: int) -> Path:
    """An OpenVid-1M.csv in which so many of the names have a score of 7, the others less."""
    wanted = set(random.Random(1).sample(names, count))
    with path.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["video", "caption", "aesthetic score", "seconds"])
        table.writerows([Path(name).name, "A clip.", 7.0 if name in wanted else 6.9, 3.0] for name in names)
    return path


def with_places(web: Web, folder: Path, names: list[str], count: int) -> list[str]:
    """The URLs that the catalogue gives, which say where their members lie."""
    options = yaml.safe_load((ROOT / "conf" / "source" / "openvid.yaml").read_text())
    given = Options(**{**options, "zips": web.url(""), "numbers": [0], "min_aesthetic": 7.0})
    return read(str(catalogue(folder / "a.csv", names, count)), given).rows.collect()["url"].to_list()


def without_places(web: Web, folder: Path, names: list[str], count: int) -> list[str]:
    """URLs as a person writes them."""
    return [f"zip://{name}::{web.url(WHOLE)}" for name in random.Random(1).sample(names, count)]


def case(
    folder: Path,
    what: str,
    files: dict[str, bytes],
    clips: dict[str, bytes],
    *,
    wanted: int,
    urls: Callable[[Web, Path, list[str], int], list[str]],
) -> Iterator[Line]:
    """Requests and bytes of so many clips out of zip files, whose addresses `urls` gives."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    zipped = io.BytesIO(b"".join(files.values()))
    with zipfile.ZipFile(zipped) as archive:
        directory_bytes = len(zipped.getbuffer()) - archive.start_dir
    with Web(files=files) as web:
        for name in files:
            web.fault(name, "no_validators")  # they cost the server more than all the rest
        began_s = time.perf_counter()
        ranges, wanted_bytes = make_client(folder), 0
        for url in urls(web, folder, list(clips), wanted):
            content = fetch(ranges, url, folder / "a.mp4", MEMBER_BYTES).read_bytes()
            assert content == clips[parse(url)[0]]
            wanted_bytes += len(content)
        took_s = time.perf_counter() - began_s
    sent_bytes, asked = sum(request.sent_bytes for request in web.requests), len(web.requests)
    how = f"{asked} requests for {wanted} of {len(clips):,} members in {took_s:.1f} s"
    yield Line(f"{what}: requests a member", asked / wanted, "", 3, how)
    besides = (sent_bytes - directory_bytes) / wanted_bytes
    how = f"{sent_bytes:,} bytes for {wanted_bytes:,} and a directory of {directory_bytes:,}"
    yield Line(f"… bytes but the directory's, by its members': {what}", besides, "", 1.1, how)
