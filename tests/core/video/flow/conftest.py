"""The stage's own settings."""

from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from stages.core.video.flow.settings import Settings

CONF = Path(__file__).parents[4] / "conf"


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Those of conf/stage/motion_flow.yaml."""
    loaded = yaml.safe_load((CONF / "stage" / "motion_flow.yaml").read_text())
    found: Settings = TypeAdapter(Settings).validate_python({k: loaded[k] for k in Settings.__dataclass_fields__})
    return found
