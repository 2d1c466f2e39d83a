"""Tiny models, and an engine for each that lives as long as the tests."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from support.embedded import Engine, inside, save, started

Folder = Callable[[str], Path]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Where the tiny model of a kind is; made once."""
    return cache(lambda kind: save(kind, tmp_path_factory.mktemp(kind)))


@pytest.fixture(scope="session")
def engine(folder: Folder) -> Iterator[Engine]:
    with started("--model-id", str(folder("text"))) as engine:
        yield engine


@pytest.fixture(scope="session", params=["llava", "idefics3", "smolvlm", "qwen2_5_vl", "qwen3_vl"])
def seeing(request: pytest.FixtureRequest, folder: Folder) -> Iterator[Engine]:
    with inside("--model-id", str(folder(request.param)), "--images") as engine:
        yield engine
