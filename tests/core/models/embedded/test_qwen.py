"""Qwen2.5-VL and Qwen3-VL: pictures of any size in a batch, as if each prompt were alone, without torchvision."""

import json
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from PIL import Image
from support.embedded import MOST_SQUARES, Engine, inside, jpeg, mark, picture
from transformers import Qwen2VLImageProcessorPil

from stages.core.models.embedded import generation
from stages.core.models.embedded.api import (
    ChatBody,
    GenerateBody,
    GenerationRequest,
    RequestError,
    parse_body,
    parse_chat,
    parse_generate,
)
from stages.core.models.embedded.decoding import Answer, Job
from stages.core.models.embedded.loading import LoadedModel, load
from stages.core.models.embedded.prompts import Prompts
from stages.core.models.embedded.qwen import QwenProcessor

Folder = Callable[[str], Path]
NEW_TOKENS = 12


class Served(NamedTuple):
    folder: Path
    loaded: LoadedModel
    square_px: int  # the side of what is one token

    def picture(self, colour: tuple[int, int, int], wide: int, high: int) -> bytes:
        """A picture of so many tokens."""
        return jpeg(colour, (wide * self.square_px, high * self.square_px))


@pytest.fixture(scope="module", params=[("qwen2_5_vl", 28), ("qwen3_vl", 32)], ids=["qwen2_5_vl", "qwen3_vl"])
def served(request: pytest.FixtureRequest, folder: Folder) -> Served:
    kind, square_px = request.param
    return Served(folder(kind), load(folder(kind)), square_px)


def chat(*parts: str | bytes) -> GenerationRequest:
    content = [picture(part) if isinstance(part, bytes) else {"type": "text", "text": part} for part in parts]
    body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": NEW_TOKENS}
    return parse_chat(parse_body(ChatBody, json.dumps(body).encode()))


def raw(*parts: str | bytes, **more: Any) -> GenerationRequest:
    body = {"inputs": mark(*parts), "parameters": {"max_new_tokens": NEW_TOKENS, **more}}
    return parse_generate(parse_body(GenerateBody, json.dumps(body).encode()))


def answers(loaded: LoadedModel, jobs: Sequence[Job]) -> list[Answer]:
    """What the jobs of one batch get."""
    assert len(set(map(generation.batch_key, jobs))) == 1
    found: dict[int, Any] = {}
    for number, job in enumerate(jobs):
        job.delivered = False
        job.deliver = lambda answer, number=number: found.__setitem__(number, answer)  # type: ignore[misc]
    generation.run(loaded, jobs)
    assert all(isinstance(answer, Answer) for answer in found.values())
    return [found[number] for number in range(len(jobs))]


def test_pictures_of_any_size_and_number_share_a_batch_and_disturb_nobody(served: Served) -> None:
    red, blue = (220, 20, 20), (20, 20, 220)
    prompts = Prompts(served.loaded, 1000, 1100)
    small, wide, high = served.picture(red, 1, 1), served.picture(blue, 6, 2), served.picture(red, 2, 5)
    requests = [
        chat(wide, "What is it?"),
        raw(small),  # three tokens: as many as numbers in its grid
        chat(small, "First this, then", high, "that, and at last", wide, "What happens from the one to the other?"),
        raw("A man in a blue coat ", high, " walks through the rain"),
        chat(high, high, "Which is larger?"),
    ]
    jobs = [prompts.make_job(request) for request in requests]
    together = answers(served.loaded, jobs)
    assert len({answer.text for answer in together}) == len(together)  # else a mix-up would not be seen
    words = prompts.make_job(raw("A man in a blue coat"))
    (before,) = answers(served.loaded, [words])
    for job, one in zip(jobs, together, strict=True):
        (alone,) = answers(served.loaded, [job])
        assert (alone.text, alone.tokens) == (one.text, one.tokens)
        assert alone.logprobs == pytest.approx(one.logprobs, abs=1e-4)
        assert answers(served.loaded, [words]) == [before]  # nothing of the picture stays in the model


def test_scores_of_a_padded_row_are_those_of_the_row_alone(served: Served) -> None:
    prompts = Prompts(served.loaded, 1000, 1100)
    pictures = [served.picture((220, 20, 20), 5, 3), served.picture((20, 220, 20), 1, 4)]
    jobs = [prompts.make_job(chat(*pictures, "What is it?")), prompts.make_job(chat(pictures[1], "What?"))]
    model = served.loaded.model
    with torch.inference_mode():
        both = model(**generation.collate(jobs, served.loaded.pad)).logits[:, -1]
        alone = torch.cat([model(**job.inputs).logits[:, -1] for job in jobs])
    assert (both - alone).abs().max() < 1e-4
    assert (both[0] - both[1]).abs().max() > 0.1


def test_an_answer_has_the_scores_of_the_whole_text_read_at_once(served: Served) -> None:
    prompts = Prompts(served.loaded, 1000, 1100)
    pictures = [served.picture((220, 20, 20), 6, 2), served.picture((20, 220, 20), 1, 4)]
    jobs = [prompts.make_job(chat(*pictures, "What is it?")), prompts.make_job(chat(pictures[1], "What?"))]
    for job, answer in zip(jobs, answers(served.loaded, jobs), strict=True):
        tokens = torch.tensor([answer.tokens])
        fills = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        more = {name: fills.get(name, torch.zeros_like(tokens)) for name in generation.PER_TOKEN if name in job.inputs}
        whole = job.inputs | {name: torch.cat([job.inputs[name], added], 1) for name, added in more.items()}
        with torch.inference_mode():
            scores = served.loaded.model(**whole).logits[0, job.length - 1 : -1].log_softmax(-1)
        assert answer.logprobs == pytest.approx(scores.gather(1, tokens[0][:, None])[:, 0].tolist(), abs=1e-4)


def test_the_prompt_is_the_template_with_a_token_for_each_square_of_a_picture(served: Served) -> None:
    prompts = Prompts(served.loaded, 1000, 1100)
    sizes = [(3, 2), (1, 4)]
    pictures = [served.picture((220, 20, 20), *size) for size in sizes]
    start, end = "<|vision_start|>", "<|vision_end|>"
    first, second = (start + "<|image_pad|>" * (wide * high) + end for wide, high in sizes)
    text = f"<|im_start|>user\n{first}What changes?{second}<|im_end|>\n<|im_start|>assistant\n"
    expected = served.loaded.tokenizer(text)["input_ids"]
    place = served.loaded.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    for request in (
        chat(pictures[0], "What changes?", pictures[1]),
        raw("<|im_start|>user\n", pictures[0], "What changes?", pictures[1], "<|im_end|>\n<|im_start|>assistant\n"),
    ):
        inputs = prompts.make_job(request).inputs
        assert inputs["input_ids"].tolist() == [expected]
        assert inputs["mm_token_type_ids"].tolist() == [[int(token == place) for token in expected]]
        assert inputs["image_grid_thw"].tolist() == [[1, 2 * high, 2 * wide] for wide, high in sizes]


def test_a_picture_has_no_more_pixels_and_no_fewer_than_the_model_is_meant_for(served: Served) -> None:
    processor = served.loaded.processor
    assert isinstance(processor, QwenProcessor)
    for size, least, most in (((3000, 2000), MOST_SQUARES // 2, MOST_SQUARES), ((8, 5), 1, 2)):
        image = Image.new("RGB", size)
        made = processor.make_pixels([image])
        assert made["pixel_values"].shape[0] == 4 * processor.count_tokens(image)
        assert least <= processor.count_tokens(image) <= most


def test_over_http_tokens_of_pictures_count_and_too_many_are_refused(served: Served) -> None:
    limits = ["--max-input-tokens", "40", "--max-total-tokens", "60"]
    six = served.picture((220, 20, 20), 3, 2)
    with inside("--model-id", str(served.folder), "--images", *limits) as engine:
        assert prompt_tokens(engine, six, "?") - prompt_tokens(engine, "?") == 6 + 2
        assert engine.get("/info").body["max_input_tokens"] == 40
        answer = engine.generate(mark("It is ", six), max_new_tokens=4)
        assert (answer.status, answer.body["details"]["generated_tokens"]) == (200, 4)
        assert engine.generate("What is an <|image_pad|>?", max_new_tokens=1).status == 200
        for status, body in (engine.chat(*[six] * 5, "?"), engine.generate(mark(*[six] * 6))):
            assert (status, body["error_type"]) == (422, "validation")
            assert "--max-input-tokens is 40" in body["error"]


def prompt_tokens(engine: Engine, *parts: str | bytes) -> int:
    return int(engine.chat(*parts).body["usage"]["prompt_tokens"])


def test_a_picture_of_too_many_tokens_is_refused_before_it_takes_memory(served: Served) -> None:
    boundless = Qwen2VLImageProcessorPil(max_pixels=10**8)
    processor = QwenProcessor(boundless, served.loaded.tokenizer, served.loaded.model.config, None)
    prompts = Prompts(replace(served.loaded, processor=processor), 1000, 1100)
    large = BytesIO()
    Image.new("1", (4000, 4000)).save(large, "PNG")  # 192 MB as float32, and once more as patches
    request = raw(large.getvalue())
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="--max-input-tokens is 1000"):
            prompts.make_job(request)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((jpeg((9, 9, 9), (3000, 10)), "?"), "aspect ratio"),
        ((jpeg((9, 9, 9)), "What is an <|image_pad|> here?"), "1 pictures, and 2 places"),
    ],
)
def test_a_picture_that_does_not_fit_is_refused(served: Served, parts: tuple[str | bytes, ...], words: str) -> None:
    prompts = Prompts(served.loaded, 1000, 1100)
    for request in (chat(*parts), raw(*parts)):
        with pytest.raises(RequestError, match=words) as refused:
            prompts.make_job(request)
        assert (refused.value.status, refused.value.error_type) == (422, "validation")


def test_a_prompt_with_pictures_is_not_truncated() -> None:
    with pytest.raises(RequestError, match="truncate"):
        raw(jpeg((9, 9, 9)), truncate=5)
