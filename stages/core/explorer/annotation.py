"""What a page shows of an annotation in FineVideo's schema: its scenes with times in seconds, questions, characters."""

import json
from typing import Any

from stages.core.text.annotation.times import read_time

Shown = dict[str, Any]


def read_annotation(text: str | None, duration_s: float | None) -> Shown | None:
    """What is in it, whatever is missing or of another shape; None without one that can be read."""
    try:
        told = json.loads(text) if text else None
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    fps, last_s = number(told.get("fps")) or 25.0, duration_s or 0.0
    story = part(told, "storylines")
    return {
        "title": words(told.get("title")),
        "description": words(told.get("description")),
        "story": words(story.get("description")),
        "characters": [[words(one.get("name")), words(one.get("description"))] for one in parts(told, "characterList")],
        "questions": [[words(one.get("question")), words(one.get("answer"))] for one in parts(told, "qAndA")],
        "scenes": [read_scene(scene, fps, last_s) for scene in parts(told, "scenes")],
    }


def read_scene(scene: Shown, fps: float, last_s: float) -> Shown:
    start_s, end_s = read_span(scene.get("timestamps"), fps, 0.0, last_s)
    mood = part(scene, "mood")
    moments = [
        [*read_span(one.get("timestamp"), fps, start_s or 0.0, end_s or last_s), words(one.get("description"))]
        for key in ("activities", "narrativeProgression")
        for one in parts(scene, key)
    ]
    return {
        "title": words(scene.get("title")),
        "start": start_s,
        "end": end_s,
        "mood": words(mood.get("description")),
        "theme": words(scene.get("thematicElements")),
        "cast": [words(one) for one in scene["cast"]] if isinstance(scene.get("cast"), list) else [],
        "props": [words(one.get("name")) for one in parts(scene, "props")],
        "moments": sorted(moments, key=lambda one: one[0] if one[0] is not None else last_s),
    }


def read_span(told: object, fps: float, first_s: float, last_s: float) -> list[float | None]:
    """Start and end in seconds; of a single time both are that."""
    sides = (told.get("start_timestamp"), told.get("end_timestamp")) if isinstance(told, dict) else (told, told)
    return [read_time(side, is_end=bool(n), first_s=first_s, last_s=last_s, fps=fps) for n, side in enumerate(sides)]


def part(told: Shown, key: str) -> Shown:
    found = told.get(key)
    return found if isinstance(found, dict) else {}


def parts(told: Shown, key: str) -> list[Shown]:
    found = told.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def words(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
