"""Batches through `model.generate`: rows of unlike length side by side, each answered as if it were alone."""

from collections.abc import Sequence

import torch
from torch.nn.functional import pad
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from stages.core.models.embedded.decoding import Chooser, Ends, Job, Row
from stages.core.models.embedded.loading import Loaded


def shape(job: Job) -> tuple[object, ...]:
    """What jobs of one batch have in common: the kinds of tensors they have, and all sizes but their numbers."""
    return tuple((name, tensor.dtype, *unlike(name, tensor)) for name, tensor in sorted(job.inputs.items()))


def unlike(name: str, tensor: torch.Tensor) -> tuple[int, ...]:
    return () if tensor.ndim == 2 and tensor.shape[0] == 1 else tuple(tensor.shape[2 if listed(name, tensor) else 1 :])


def listed(name: str, tensor: torch.Tensor) -> bool:
    """Whether it has an axis of pictures behind that of rows: Idefics3 has, and fills it up with empty pictures."""
    return (name == "pixel_values" and tensor.ndim == 5) or name == "pixel_attention_mask"


def run(loaded: Loaded, jobs: Sequence[Job]) -> None:
    """Delivers an answer to each job. Raises what the model raises: then those not delivered have none."""
    model = loaded.model
    rows = [Row(job, loaded.vocabulary, model.device) for job in jobs]
    inputs = {
        name: tensor.to(model.device, model.dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in collated(jobs, loaded.pad).items()
    }
    config = GenerationConfig(
        do_sample=False,  # Chooser draws
        max_new_tokens=max(job.max_new_tokens for job in jobs),
        pad_token_id=loaded.pad,
    )
    model.generate(
        **inputs,
        generation_config=config,
        logits_processor=LogitsProcessorList([Chooser(rows)]),
        stopping_criteria=StoppingCriteriaList([Ends(rows)]),
    )


def collated(jobs: Sequence[Job], padding: int) -> dict[str, torch.Tensor]:
    """The inputs of a batch: what belongs to tokens padded on the left, where a mask hides it; pictures one by one."""
    longest = max(job.length for job in jobs)
    together = {}
    for name, first in jobs[0].inputs.items():
        parts = [job.inputs[name] for job in jobs]
        if first.shape == (1, jobs[0].length):
            fill = padding if name == "input_ids" else 0
            parts = [pad(part, (longest - part.shape[1], 0), value=fill) for part in parts]
        elif listed(name, first):
            most = max(part.shape[1] for part in parts)
            parts = [pad(part, (0, 0) * (part.ndim - 2) + (0, most - part.shape[1])) for part in parts]
        together[name] = torch.cat(parts)
    return together
