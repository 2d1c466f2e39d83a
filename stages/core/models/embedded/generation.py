"""Runs batches through `model.generate`: rows of different lengths are padded, and answered as if each were alone."""

from collections.abc import Sequence

import torch
from torch.nn.functional import pad
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from stages.core.models.embedded.decoding import EndOfRows, Job, Row, TokenSelector
from stages.core.models.embedded.loading import LoadedModel

PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")  # tensors [1, length]


def batch_key(job: Job) -> tuple[object, ...]:
    """Equal for jobs that can share a batch: names, dtypes and inner shapes of their tensors."""
    return tuple((name, tensor.dtype, *inner_shape(name, tensor)) for name, tensor in sorted(job.inputs.items()))


def inner_shape(name: str, tensor: torch.Tensor) -> tuple[int, ...]:
    return () if name in PER_TOKEN else tuple(tensor.shape[2 if has_image_axis(name, tensor) else 1 :])


def has_image_axis(name: str, tensor: torch.Tensor) -> bool:
    """Whether the tensor has an axis of images after that of rows, as for Idefics3, which pads it with empty images."""
    return (name == "pixel_values" and tensor.ndim == 5) or name == "pixel_attention_mask"


def run(loaded: LoadedModel, jobs: Sequence[Job]) -> None:
    """Delivers an answer to each job. Raises what the model raises; jobs not delivered by then have no answer."""
    model = loaded.model
    rows = [Row(job, loaded.vocabulary, model.device) for job in jobs]
    inputs = {
        name: tensor.to(model.device, model.dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in collate(jobs, loaded.pad).items()
    }
    config = GenerationConfig(
        do_sample=False,  # TokenSelector samples
        max_new_tokens=max(job.max_new_tokens for job in jobs),
        pad_token_id=loaded.pad,
    )
    model.generate(
        **inputs,
        generation_config=config,
        logits_processor=LogitsProcessorList([TokenSelector(rows)]),
        stopping_criteria=StoppingCriteriaList([EndOfRows(rows)]),
    )


def collate(jobs: Sequence[Job], padding: int) -> dict[str, torch.Tensor]:
    """The tensors of a batch: per-token ones left-padded to [jobs, longest] (masked), images concatenated."""
    longest = max(job.length for job in jobs)
    together = {}
    for name, first in jobs[0].inputs.items():
        parts = [job.inputs[name] for job in jobs]
        if name in PER_TOKEN:
            fill = padding if name == "input_ids" else 0
            parts = [pad(part, (longest - part.shape[1], 0), value=fill) for part in parts]
        elif has_image_axis(name, first):
            most = max(part.shape[1] for part in parts)
            parts = [pad(part, (0, 0) * (part.ndim - 2) + (0, most - part.shape[1])) for part in parts]
        together[name] = torch.cat(parts)
    return together
