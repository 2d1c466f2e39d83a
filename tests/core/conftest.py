"""Made-up items in worker processes that end with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.items import Items


@pytest.fixture
def items(tmp_path: Path) -> Iterator[Items]:
    made = Items(tmp_path)
    yield made
    for processes in made.made:
        processes.close()
