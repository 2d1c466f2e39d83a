"""Texts in pictures by rapidocr (PP-OCR on the CPU); its package brings the weights."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.core.schema.types import Row


class OcrNet:
    """The texts of each picture, as rows of the column `texts`, with the picture's width and height.

    Those below `least_confidence`, 0 to 1, are left out.
    """

    def __init__(self, threads: int, least_confidence: float) -> None:
        import rapidocr  # an extra: the stage's check tells how to install it

        own = {
            "Global.log_level": "error",
            "Global.text_score": least_confidence,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        }
        self._engine = rapidocr.RapidOCR(params=own)
        self.name = f"rapidocr=={version('rapidocr')}"

    def prepare(self, picture: Image.Image) -> NDArray[np.uint8]:
        return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])

    def load(self, batch: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.uint8]]:
        return batch

    def run(self, loaded: Sequence[NDArray[np.uint8]]) -> list[tuple[list[Row], int, int]]:
        return [(self._read(picture), picture.shape[1], picture.shape[0]) for picture in loaded]

    def _read(self, bgr: NDArray[np.uint8]) -> list[Row]:
        found: Any = self._engine(bgr)
        if found.boxes is None or found.txts is None:
            return []
        return [
            {"text": text, "corners": np.rint(box).astype(int).ravel().tolist(), "confidence": float(score)}
            for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]
