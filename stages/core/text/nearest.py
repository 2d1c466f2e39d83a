"""Zero-shot classification: the taxonomy leaves whose embeddings are nearest to that of a video's text."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slurm.pool.config import UNTRAINED
from stages.core.models.hub import UnreachableError
from stages.core.schema.types import Row
from stages.core.text.embedding import SentenceModel
from stages.core.text.taxonomy import Taxonomy

# Of the softmax that turns cosines into a confidence. Sentence models are trained with about 0.05
# (sentence-transformers' MultipleNegativesRankingLoss: scale 20).
TEMPERATURE = 0.05

log = logging.getLogger("reelmill")


class NearestLabels(NamedTuple):
    """The nearest labels of a video, nearest first.

    `confidence` is that of the first (0 to 1), `margin` its cosine minus that of the second.
    """

    labels: list[str]
    confidence: float
    margin: float
    model: str
    revision: str | None


def find_nearest(
    items: Mapping[str, Row], taxonomy: Taxonomy, model: str, revision: str | None, *, untrained: bool, top_k: int
) -> dict[str, NearestLabels]:
    """The `top_k` nearest leaves of each video, by key, computed with a sentence model.

    Raises UnloadableError. With `untrained`, if the Hub cannot be reached, a model with random weights is used instead.
    """
    sentences, name = _loaded(model, revision, untrained)
    labels = list(taxonomy.labels)
    leaves = sentences.embed([leaf.text for leaf in taxonomy.leaves])
    videos = sentences.embed([describe(row) for row in items.values()])
    result: dict[str, NearestLabels] = {}
    for key, cosines in zip(items, videos @ leaves.T, strict=True):
        order = np.argsort(-cosines, kind="stable")
        odds = np.exp((cosines - cosines[order[0]]) / TEMPERATURE)
        result[key] = NearestLabels(
            [labels[n] for n in order[:top_k]],
            float(1 / odds.sum()),
            float(cosines[order[0]] - cosines[order[1]]),
            name,
            sentences.revision,
        )
    return result


def describe(row: Row) -> str:
    """The text of a video, most informative parts first: the model reads only the beginning."""
    return ". ".join(str(row[name]) for name in ("title", "channel", "description", "transcript") if row[name])


def _loaded(model: str, revision: str | None, untrained: bool) -> tuple[SentenceModel, str]:
    try:
        sentences = SentenceModel(model, revision)
        return sentences, sentences.name
    except UnreachableError as error:
        if not untrained:
            raise
        log.warning("%s; %s, with random weights, categorizes instead", error, UNTRAINED)
        from stages.core.models.embedded.untrained import save  # imported here: needed for a demo only

        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder))
            return SentenceModel(folder, None), UNTRAINED
