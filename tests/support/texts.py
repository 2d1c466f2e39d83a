"""Settings of alarms for tests: those of conf/alarms/texts.yaml, and what a test says instead."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from stages.core.text.alarms.settings import Alarms

FILE = Path(__file__).parents[2] / "conf" / "alarms" / "texts.yaml"


def alarms(*columns: str, often: dict[str, float] | None = None, **more: Any) -> Alarms:
    """`often` and `max_share` need only name the kinds that differ."""
    said = yaml.safe_load(FILE.read_text())
    limits = said["max_share"] | more.pop("max_share", {})
    values = said | {"columns": list(columns), "often": said["often"] | (often or {}), "max_share": limits} | more
    return TypeAdapter(Alarms).validate_python(values)
