"""Clusters of embeddings, and what is alike inside them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.core.dedup.clusters import find_near, learn, nearest
from stages.core.dedup.vectors import normalised


def blobs(count: int, each: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, 32))
    vectors = (centres[:, None] + rng.normal(scale=0.1, size=(count, each, 32))).reshape(-1, 32)
    return normalised(np.asarray(vectors, dtype=np.float32))


def test_vectors_that_lie_together_are_of_one_cluster() -> None:
    vectors = blobs(6, 30, 1)
    of, distance = nearest(vectors, learn(vectors, 6, 20))
    for begin in range(0, 180, 30):
        assert len(set(of[begin : begin + 30].tolist())) == 1
    assert distance.max() < 0.5


def test_the_same_vectors_give_the_same_clusters() -> None:
    vectors = blobs(6, 30, 2)
    assert np.array_equal(learn(vectors, None, 20), learn(vectors.copy(), None, 20))


@pytest.mark.parametrize(
    ("rows", "wanted", "made"), [(0, None, 0), (1, None, 1), (3, 10, 3), (100, None, 10), (100, 7, 7)]
)
def test_there_are_no_more_clusters_than_vectors(rows: int, wanted: int | None, made: int) -> None:
    assert len(learn(blobs(max(rows, 1), 1, 3)[:rows], wanted, 3)) == made


def test_pairs_in_a_cluster_are_those_of_the_full_comparison() -> None:
    vectors, rows = blobs(5, 20, 4), np.arange(100) * 2
    clusters = np.repeat(np.arange(5), 20)
    found = find_near(vectors, rows, clusters, 0, 0.9)
    cosine = vectors @ vectors.T
    expected = {
        (2 * a, 2 * b) for a in range(100) for b in range(a) if clusters[a] == clusters[b] and cosine[a, b] >= 0.9
    }
    assert set(found.select("later", "earlier").iter_rows()) == expected
    later = find_near(vectors, rows, clusters, 100, 0.9)
    assert set(later.select("later", "earlier").iter_rows()) == {pair for pair in expected if pair[0] >= 100}
