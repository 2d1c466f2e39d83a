"""The annotations of a video's parts as one: characters and scenes are numbered through, each scene lies in its part.

Parts are added in their order. Who is known from a part before is the same character where the name is the same; so the
parts' own numbers do not matter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.core.text.annotation.check import Stretch
from stages.core.text.annotation.metadata import Chapter, Character, ContentMetadata, Overview, Scene, Timestamps
from stages.core.text.annotation.times import write_time


class Merged:
    """The characters and scenes of the parts that were added so far."""

    def __init__(self) -> None:
        self.characters: list[Character] = []
        self.scenes: list[Scene] = []

    def add(self, chapter: Chapter | ContentMetadata, stretch: Stretch) -> dict[int, int]:
        """Adds the characters and scenes of a part of the video; the number that each of its scenes has now."""
        names = {character.characterId: character.name for character in self.characters}
        known = {fold(character.name) for character in self.characters}
        for character in chapter.characterList:
            names[character.characterId] = character.name
            if fold(character.name) not in known:
                known.add(fold(character.name))
                number = str(len(self.characters) + 1)
                self.characters.append(character.model_copy(update={"characterId": number}))
        spelt = {fold(character.name): character.name for character in self.characters}
        named = {key: spelt[fold(name)] for key, name in names.items()} | {
            character.name: spelt[fold(character.name)] for character in chapter.characterList
        }
        numbers = {}
        for scene in chapter.scenes:
            numbers[scene.sceneId] = len(self.scenes) + 1
            self.scenes.append(renumber(scene, numbers[scene.sceneId], named, stretch))
        return numbers

    def whole(self, overview: Overview | ContentMetadata, numbers: Mapping[int, int] | None = None) -> dict[str, Any]:
        """The annotation, as plain values; `numbers` are those that scenes had in the overview."""
        told = ContentMetadata(
            title=overview.title,
            description=overview.description,
            characterList=self.characters,
            scenes=self.scenes,
            storylines=overview.storylines,
            qAndA=overview.qAndA,
            trimmingSuggestions=overview.trimmingSuggestions,
        ).model_dump()
        if numbers is not None:
            told["storylines"]["scenes"] = [numbers[number] for number in told["storylines"]["scenes"]]
        return told


def renumber(scene: Scene, number: int, named: Mapping[str, str], stretch: Stretch) -> Scene:
    """The scene with its number in the whole video, characters by name, and its time held inside its part."""
    cast = list(dict.fromkeys(named.get(name, name) for name in scene.cast))
    talks = [
        one.model_copy(update={"characters": [named.get(name, name) for name in one.characters]})
        for one in scene.characterInteraction
    ]
    times = hold(scene.timestamps, stretch)
    return scene.model_copy(
        update={"sceneId": number, "cast": cast, "characterInteraction": talks, "timestamps": times}
    )


def hold(times: Timestamps, stretch: Stretch) -> Timestamps:
    """The time of a scene without what of it lies beside its part of the video."""
    start_s, end_s = stretch.span(times)
    early = start_s is not None and start_s < stretch.start_s
    late = end_s is not None and end_s > stretch.end_s
    return Timestamps(
        start_timestamp=write_time(stretch.start_s) if early else times.start_timestamp,
        end_timestamp=write_time(stretch.end_s) if late else times.end_timestamp,
    )


def fold(name: str) -> str:
    """The name as it is compared."""
    return " ".join(name.casefold().split())


def outline(scenes: Sequence[Scene], words: int) -> list[dict[str, object]]:
    """What is told of each scene where all of a video are listed, about so many words each."""
    return [
        {
            "number": scene.sceneId,
            "title": scene.title,
            "start": scene.timestamps.start_timestamp,
            "end": scene.timestamps.end_timestamp,
            "what": " ".join("; ".join(one.description for one in scene.activities).split()[:words]),
        }
        for scene in scenes
    ]
