"""A video site with a film, see tests/support/site.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.site import VideoSite, make_film


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    make_film(folder)
    return folder


@pytest.fixture
def site(film: Path) -> Iterator[VideoSite]:
    with VideoSite(film) as served:
        yield served
