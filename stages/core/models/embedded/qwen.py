"""Prompts with pictures for Qwen2-VL, Qwen2.5-VL and Qwen3-VL.

Their own processors also need a video processor, and that torchvision. For pictures alone the image processor and the
rule below are all there is: a picture has a token for every square of merge_size x merge_size patches.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import Qwen2VLImageProcessorPil

KINDS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")  # values of model_type


class QwenProcessor:
    """`image_token`: the text that stands for a picture in a prompt, the same that the chat template writes."""

    def __init__(
        self, image_processor: Qwen2VLImageProcessorPil, tokenizer: Any, config: Any, chat_template: str | None
    ) -> None:
        self.image_processor, self.chat_template = image_processor, chat_template
        self.place = config.image_token_id
        marks = [config.vision_start_token_id, self.place, config.vision_end_token_id]
        self.image_token = "".join(tokenizer.convert_ids_to_tokens(marks))

    def expand(self, tokens: Sequence[int], pictures: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """The tokens of a prompt with as many places for each picture as it has tokens: tensors [1, length].

        Only the size of a picture is read. Raises ValueError if a picture is too narrow, or has no place in the prompt.
        """
        ids = torch.tensor(tokens, dtype=torch.long)
        places = ids == self.place
        if int(places.sum()) != len(pictures):
            raise ValueError(f"{len(pictures)} pictures, and {int(places.sum())} places for them")
        repeats = torch.ones_like(ids)
        repeats[places] = torch.tensor([self.count_tokens(picture) for picture in pictures])
        ids = ids.repeat_interleave(repeats)[None]
        kinds = (ids == self.place).long()  # by which the model finds a position in two dimensions for each token
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds}

    def count_tokens(self, picture: Image.Image) -> int:
        patches = self.image_processor.get_number_of_image_patches(picture.height, picture.width)
        return patches // self.image_processor.merge_size**2

    def make_pixels(self, pictures: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
        """`pixel_values`, float32 [patches, values]; `image_grid_thw`, [pictures, 3]: 1, rows, columns."""
        return dict(self.image_processor(list(pictures), return_tensors="pt"))
