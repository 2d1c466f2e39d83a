"""Makes a tiny model with random weights in seconds, to try everything but the content of answers.

Its byte-level tokenizer is trained here, so it can write any text; its chat template is ChatML.
"""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

NAME = "untrained-demo"
MAX_TOKENS = 8192
TOKENS = 600
SIDE_PX, PATCH_PX = 32, 16
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<image>"]
WORDS = [
    "A man in a blue coat walks through the rain while the camera follows him slowly.",
    "The music video shows a band on stage; the crowd sings, and the lights change from red to green.",
    "Cooking tutorial: cut the onions, heat the oil, add salt, and stir for three minutes.",
    "Scene by scene: who is there, what happens, when it begins and ends, and what it is about.",
    "Sports, science & technology, nature, travel, education, news, comedy, animals, video games.",
    '{"title": "…", "description": "…", "characters": [], "activities": [], "mood": {"start": "calm"}}',
    "user system assistant: describe the video in one sentence and choose the category that fits best.",
]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save(folder: Path, *, images: bool = False, seed: int = 0) -> None:
    """Writes a complete model to a folder; with `images` it accepts images. The same seed gives the same weights."""
    transformers.logging.disable_progress_bar()
    made = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = vision(made) if images else Qwen2ForCausalLM(text(made))
    model.generation_config = GenerationConfig(eos_token_id=made.eos_token_id, pad_token_id=made.pad_token_id)
    model.save_pretrained(folder)
    if images:
        processor(made).save_pretrained(folder)
    made.save_pretrained(folder)


def tokenizer() -> Any:
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    byte_level.train_from_iterator(WORDS, trainer)
    names = {"pad_token": "<|pad|>", "eos_token": "<|im_end|>", "extra_special_tokens": {"image_token": "<image>"}}
    made = PreTrainedTokenizerFast(tokenizer_object=byte_level, **names)
    made.chat_template = TEMPLATE
    return made


def text(made: Any) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=len(made),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.2,  # large enough that answers differ with the prompt
        tie_word_embeddings=False,
        eos_token_id=made.eos_token_id,
        pad_token_id=made.pad_token_id,
        bos_token_id=None,
    )


def vision(made: Any) -> LlavaForConditionalGeneration:
    eyes = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE_PX,
        patch_size=PATCH_PX,
    )
    image_token = made.convert_tokens_to_ids("<image>")
    config = LlavaConfig(vision_config=eyes, text_config=text(made), image_token_index=image_token)
    return LlavaForConditionalGeneration(config)


def processor(made: Any) -> LlavaProcessor:
    square = {"height": SIDE_PX, "width": SIDE_PX}
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": SIDE_PX}, crop_size=square),
        tokenizer=made,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's class token, which "default" drops again
        chat_template=TEMPLATE,
    )
