"""Where a dataset is uploaded, and in which portions; values are in conf/stage/publish.yaml."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid")
# as the Hub has it: letters, digits, - _ ., no two of -- or .. , neither at an end
REPO = r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"


@dataclass(frozen=True, config=STRICT)
class Hub:
    repo: Annotated[str, StringConstraints(pattern=REPO)] | None
    private: bool
    replace: bool
    squash: bool


@dataclass(frozen=True, config=STRICT)
class Commits:
    files: Annotated[int, Field(ge=1)]
    gb: Annotated[float, Field(gt=0)]
