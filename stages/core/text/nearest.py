"""Categories by meaning alone: the leaves whose words are nearest to those of a video (zero-shot, no training)."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slurm.pool.config import UNTRAINED
from stages.core.models.hub import UnreachableError
from stages.core.schema.types import Row
from stages.core.text.embedding import Sentences
from stages.core.text.taxonomy import Taxonomy

# Of the softmax that makes cosines a confidence. Sentence models are trained with about 0.05 (sentence-transformers'
# MultipleNegativesRankingLoss: scale 20).
TEMPERATURE = 0.05

log = logging.getLogger("reelmill")


class Near(NamedTuple):
    """The nearest labels of a video, nearest first, the first one's confidence, and by how much it is nearer."""

    labels: list[str]
    confidence: float
    margin: float
    model: str
    revision: str | None


def nearest(
    items: Mapping[str, Row], taxonomy: Taxonomy, model: str, revision: str | None, *, untrained: bool, top_k: int
) -> dict[str, Near]:
    """For each video the `top_k` nearest leaves, by a sentence model.

    Raises UnloadableError; with `untrained`, where the Hub is out of reach, one that knows nothing takes its place.
    """
    sentences, name = _loaded(model, revision, untrained)
    labels = list(taxonomy.labels)
    leaves = sentences.vectors([leaf.words for leaf in taxonomy.leaves])
    videos = sentences.vectors([words(row) for row in items.values()])
    found: dict[str, Near] = {}
    for key, cosines in zip(items, videos @ leaves.T, strict=True):
        order = np.argsort(-cosines, kind="stable")
        odds = np.exp((cosines - cosines[order[0]]) / TEMPERATURE)
        found[key] = Near(
            [labels[n] for n in order[:top_k]],
            float(1 / odds.sum()),
            float(cosines[order[0]] - cosines[order[1]]),
            name,
            sentences.revision,
        )
    return found


def words(row: Row) -> str:
    """What is known of a video, the most telling first: a model looks at the beginning only."""
    return ". ".join(str(row[name]) for name in ("title", "channel", "description", "transcript") if row[name])


def _loaded(model: str, revision: str | None, untrained: bool) -> tuple[Sentences, str]:
    try:
        return Sentences(model, revision), model
    except UnreachableError as error:
        if not untrained:
            raise
        log.warning("%s; %s categorizes instead, and knows nothing", error, UNTRAINED)
        from stages.core.models.embedded.untrained import save  # here, since it is for a demo only

        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder))
            return Sentences(folder, None), UNTRAINED
