"""Answers of Florence-2 are read as transformers reads them where they are whole, and what is cut off is left out."""

from random import Random

import pytest
from support.florence import make_tokenizer
from transformers import CLIPImageProcessorPil, Florence2Processor

from stages.core.frames.describe.answers import Answer, Part, read_regions, read_texts, share_covered


@pytest.fixture(scope="module")
def processor() -> Florence2Processor:
    tokenizer = make_tokenizer()
    tokenizer.image_token, tokenizer.image_token_id = "<image>", tokenizer.convert_tokens_to_ids("<image>")
    kinds: dict[str, dict[str, str]] = {"ocr": {}, "description_with_bboxes": {}, "pure_text": {}}
    return Florence2Processor(CLIPImageProcessorPil(image_seq_length=5), tokenizer, post_processor_config=kinds)


def written(answer: Answer) -> str:
    return "".join(part.text + "".join(f"<loc_{place}>" for place in part.places) for part in answer.parts)


@pytest.mark.parametrize("seed", range(20))
def test_regions_and_texts_are_those_that_transformers_reads(processor: Florence2Processor, seed: int) -> None:
    chance = Random(seed)
    size = (chance.randrange(16, 4000), chance.randrange(16, 4000))
    words = ["a red car", "house", "man in a hat"]
    regions = Answer(
        [
            Part(chance.choice(words), [chance.randrange(1000) for _ in range(4 * chance.randrange(1, 3))])
            for _ in range(4)
        ],
        False,
    )
    theirs = processor.post_process_generation(written(regions), task="<DENSE_REGION_CAPTION>", image_size=size)
    found = theirs["<DENSE_REGION_CAPTION>"]
    assert read_regions(regions, *size) == [
        {"label": label, "box": box} for label, box in zip(found["labels"], found["bboxes"], strict=True)
    ]
    texts = Answer([Part(chance.choice(words), [chance.randrange(1000) for _ in range(8)]) for _ in range(5)], False)
    read = processor.post_process_generation(written(texts), task="<OCR_WITH_REGION>", image_size=size)
    assert [(row["text"], row["corners"]) for row in read_texts(texts, *size)] == list(
        zip(read["<OCR_WITH_REGION>"]["labels"], read["<OCR_WITH_REGION>"]["quad_boxes"], strict=True)
    )


def test_boxes_that_were_cut_off_are_left_out_and_labels_keep_their_letters() -> None:
    answer = Answer([Part("", [5, 5]), Part(" café ", [0, 0, 999, 999, 10, 10]), Part("lamp", [1, 2, 3])], True)
    assert read_regions(answer, 200, 100) == [{"label": "café", "box": [0, 0, 199, 99]}]
    assert read_texts(answer, 200, 100) == []
    assert answer.text == "café lamp"


def test_the_share_under_texts_counts_overlaps_once() -> None:
    left, same, right = (
        [0, 0, 100, 0, 100, 100, 0, 100],
        [0, 0, 100, 0, 100, 100, 0, 100],
        [100, 0, 199, 0, 199, 99, 100, 99],
    )
    assert share_covered([], 200, 100) == 0
    assert share_covered([left], 200, 100) == pytest.approx(0.5, abs=0.01)
    assert share_covered([left, same], 200, 100) == pytest.approx(0.5, abs=0.01)
    assert share_covered([left, right], 200, 100) == pytest.approx(1, abs=0.01)
    large = [16 * value for value in left]
    assert share_covered([large], 3200, 1600) == pytest.approx(0.5, abs=0.01)
    assert share_covered([[-50, -50, 500, -50, 500, 500, -50, 500]], 200, 100) == 1, "corners outside of the picture"
