"""Florence-2: answers to several tasks about a picture, which its vision tower looks at once.

B. Xiao et al. 2023, "Florence-2: Advancing a Unified Representation for a Variety of Vision Tasks". Tasks go one by
one over a batch of pictures, since answers to one are of like length, and its prompts need no padding.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image
from transformers import AutoTokenizer

from stages.core.frames.describe.answers import STEPS, Answer, Part
from stages.core.frames.describe.checkpoint import load_florence
from stages.core.frames.describe.settings import Florence, Task
from stages.core.frames.encoder import read_view
from stages.core.frames.net import Pixels
from stages.core.models.device import Device
from stages.core.models.hub import UnloadableError, find_model, one_line
from stages.core.models.weights import name_model

KEY = "florence.model="
PROMPTS: dict[Task, str] = {  # what the models were trained with
    "caption": "What does the image describe?",
    "detailed_caption": "Describe in detail what is shown in the image.",
    "dense_region_caption": "Locate the objects in the image, with their descriptions.",
    "ocr_with_region": "What is the text in the image, with regions?",
    "color": "<COLOR>",
    "lighting": "<LIGHTING>",
    "lighting_type": "<LIGHTING_TYPE>",
    "composition": "<COMPOSITION>",
}
MARKERS = 4  # <od>, </od>, <ocr>, </ocr>: Microsoft's code adds them to the vocabulary before the places


class Picture(NamedTuple):
    """A picture as the model takes it, and its own size."""

    pixels: Any  # uint8 [3, height, width]
    width_px: int
    height_px: int


class Answers(NamedTuple):
    """What the model answers to each task about a picture of this size."""

    tasks: dict[Task, Answer]
    width_px: int
    height_px: int


class FlorenceNet:
    """Answers of a Florence-2 model. Raises UnloadableError."""

    def __init__(self, own: Florence, tasks: Sequence[Task], device: Device) -> None:
        folder = find_model(own.model, own.revision, KEY)
        try:
            module = load_florence(folder, device.dtype)
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            self.pixels = Pixels(read_view(folder), device)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UnloadableError(f"{KEY}{own.model} cannot be loaded from {folder}: {one_line(error)}") from error
        self.module = module.eval().requires_grad_(False).to(device.place, device.dtype)
        self.name = name_model(own.model, folder)
        first: Any = self.tokenizer.convert_tokens_to_ids("<loc_0>")
        lacks_places = first is None or first == self.tokenizer.unk_token_id
        self.first_place: int = len(self.tokenizer) + MARKERS if lacks_places else first
        self.prompts = {task: torch.tensor(self.tokenizer(PROMPTS[task]).input_ids) for task in tasks}
        how = module.generation_config  # changed in place: what generate is given it completes from this one
        how.update(do_sample=False, num_beams=own.beams, max_new_tokens=own.max_tokens, max_length=None)
        if own.beams == 1:
            how.early_stopping = how.length_penalty = None
        how.forced_eos_token_id = None  # it would hide that an answer was cut off
        self.end: int = how.eos_token_id

    def prepare(self, picture: Image.Image) -> Picture:
        return Picture(self.pixels.view.fit(picture), picture.width, picture.height)

    def load(self, batch: Sequence[Picture]) -> tuple[torch.Tensor, Sequence[Picture]]:
        return self.pixels.load([picture.pixels for picture in batch]), batch

    def run(self, loaded: tuple[torch.Tensor, Sequence[Picture]]) -> list[Answers]:
        pixels, pictures = loaded
        with torch.inference_mode():
            seen = self.module.get_image_features(self.pixels.normalise(pixels)).pooler_output
            answers = {task: self._ask(seen, prompt) for task, prompt in self.prompts.items()}
        return [
            Answers({task: found[number] for task, found in answers.items()}, picture.width_px, picture.height_px)
            for number, picture in enumerate(pictures)
        ]

    def _ask(self, seen: torch.Tensor, prompt: torch.Tensor) -> list[Answer]:
        """The answer about each picture, [pictures, tokens, size]."""
        asked = self.module.get_input_embeddings()(prompt.to(seen.device)).to(seen.dtype)
        both = torch.cat([seen, asked.expand(len(seen), -1, -1)], dim=1)
        attended = torch.ones(both.shape[:2], dtype=torch.long, device=seen.device)
        encoded = self.module.get_encoder()(inputs_embeds=both, attention_mask=attended)
        found = self.module.generate(encoder_outputs=encoded, attention_mask=attended)
        return [self._read(tokens) for tokens in found.tolist()]

    def _read(self, tokens: Sequence[int]) -> Answer:
        """The answer in a row of tokens, of which the first begins every answer and is the one that ends them, too."""
        ends = self.end in tokens[1:]
        upto = tokens[1:].index(self.end) + 1 if ends else len(tokens)
        parts: list[Part] = []
        words: list[int] = []
        for token in tokens[1:upto]:
            place = token - self.first_place
            if not 0 <= place < STEPS:
                words.append(token)
            elif words or not parts:
                parts.append(Part(self._spell(words), [place]))
                words = []
            else:
                parts[-1].places.append(place)
        if words:
            parts.append(Part(self._spell(words), []))
        return Answer(parts, not ends)

    def _spell(self, tokens: Sequence[int]) -> str:
        known = [token for token in tokens if token < len(self.tokenizer)]
        return str(self.tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False))
