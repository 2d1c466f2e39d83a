"""Explorers of small runs, open in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.explored import explored_run
from support.tab import Tab, opened

from slurm.record.manifest import Step
from stages.core.explorer.write import write_explorer

Explore = Callable[..., Path]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One tab for all tests: a browser takes seconds to start."""
    with opened(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab) -> Tab:
    browser.go("about:blank")
    browser.resize(1280, 800)
    browser.value("1")  # what went wrong before is read
    browser.troubles.clear()
    return browser


@pytest.fixture(scope="session")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    return explored_run(tmp_path_factory.mktemp("explored") / "run")


@pytest.fixture(scope="session")
def explorer(steps: list[Step]) -> Path:
    """The explorer of that run, a folder."""
    folder = steps[0].run / "report" / "explorer"
    write_explorer(folder, steps, 100, None)
    return folder
