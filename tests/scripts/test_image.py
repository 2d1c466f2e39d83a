"""The image for containers has what CI and `make install` have: the lines that install it are the same."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGES = [ROOT / "scripts" / "image" / name for name in ("Dockerfile", "reelmill.def")]
FILES = ["constraints.txt", "pyproject.toml", "README.md", "LICENSE", "conf", "slurm", "stages", "scripts", "tests"]


def installs(file: Path, program: str) -> list[list[str]]:
    """The words of each `<program> install …` of a file."""
    commands = re.sub(r"\\\n|&&", "\n", file.read_text().replace("&& \\\n", "\n"))
    found = re.findall(rf"^\s*(?:RUN )?(?:\$\(BIN\)/)?{program} install (.+)$", commands, re.MULTILINE)
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_has_the_debian_packages_of_ci(image: Path) -> None:
    wanted = installs(ROOT / ".ci" / "run", "apt-get")
    assert len(wanted) == 1
    assert installs(image, "apt-get") == wanted


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_has_the_python_packages_of_make_install(image: Path) -> None:
    wanted = [words for words in installs(ROOT / "Makefile", "pip") if "--constraint" in words]
    assert len(wanted) == 2
    assert installs(image, "pip") == wanted


def test_both_images_are_of_one_base_and_of_the_same_files() -> None:
    docker, apptainer = (image.read_text() for image in IMAGES)
    base = re.findall(r"^FROM (\S+)$", docker, re.MULTILINE)
    assert re.findall(r"^From: (\S+)$", apptainer, re.MULTILINE) == base
    assert "python:3.11" in base[0]
    ignored = IMAGES[0].with_name("Dockerfile.dockerignore").read_text().split("\n")
    assert [line[1:] for line in ignored if line.startswith("!")] == FILES
    assert re.findall(r"^    (\S+) /reelmill/\1$", apptainer, re.MULTILINE) == FILES
    assert [name for name in FILES if not (ROOT / name).exists()] == []


def site_files() -> Iterator[str]:
    """The images that the README's examples name."""
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        container = (yaml.safe_load(block) or {}).get("container")
        if container:
            yield container["image"]


def test_the_readme_says_how_the_images_that_it_names_are_made() -> None:
    text = (ROOT / "README.md").read_text()
    named = list(site_files())
    assert named
    assert [image for image in named if f"enroot import -o {image} dockerd://reelmill" not in text] == []
    for image in IMAGES:
        assert f"scripts/image/{image.name}" in text
