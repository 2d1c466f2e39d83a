"""Parquet files of the shape of YouTube-Commons: made-up words, 3 KB a transcript, 20 files of one row group each.

As in the published ones (cctube_0 to cctube_438), files differ in how they call the column of how a language was told.
A hundredth of the rows has an id that stands further up.

    python -m scripts.bench.inputs.corpus FOLDER ROWS SHARE
"""

import string
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FILES, VOCABULARY, WORDS, MEAN_BYTES = 20, 20_000, 2_000_000, 3_000
LETTERS = np.array(list(string.ascii_letters + string.digits + "-_"))
OTHERS = np.array(["fr", "es", "de", "ru", "it", "nl"])


def words(chance: np.random.Generator) -> str:
    """Text whose words are as unequally frequent as those of a language (Zipf)."""
    lengths = chance.integers(2, 10, VOCABULARY)
    known = np.array(["".join(chance.choice(LETTERS[:26], length)) for length in lengths], dtype=object)
    weights = 1 / np.arange(1, VOCABULARY + 1)
    return " ".join(chance.choice(known, WORDS, p=weights / weights.sum()))


def rows(chance: np.random.Generator, text: str, count: int, share: float, method: str) -> dict[str, object]:
    """Columns of a file, of which the share is in English."""
    lengths = chance.lognormal(0, 0.8, count)
    lengths = np.where(chance.random(count) < 0.03, 100, lengths / lengths.mean() * MEAN_BYTES).astype(int)
    starts = chance.integers(0, len(text) - lengths.max(), count)
    texts = [text[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    ids = np.array(["".join(letters) for letters in chance.choice(LETTERS, (count, 11))])
    again = chance.random(count) < 0.01
    ids[again] = ids[chance.integers(0, max(1, count // 10), int(again.sum()))]
    english = chance.random(count) < share
    return {
        "video_id": ids.tolist(),
        "video_link": [f"https://www.youtube.com/watch?v={key}" for key in ids],
        "title": [text[start : start + 50] for start in starts],
        "text": texts,
        "channel": [text[start : start + 12] for start in starts],
        "channel_id": [f"UC{key}{key}" for key in ids],
        "date": ["2021-03-04"] * count,
        "license": ["Creative Commons Attribution license (reuse allowed)"] * count,
        "original_language": ["en"] * count,
        method: ["metadata"] * count,
        "transcription_language": np.where(english, "en", chance.choice(OTHERS, count)).tolist(),
        "word_count": [words.count(" ") + 1 for words in texts],
        "character_count": lengths.tolist(),
    }


def main(folder: Path, count: int, share: float) -> None:
    chance = np.random.default_rng(1)
    text = words(chance)
    folder.mkdir(parents=True)
    for number in range(FILES):
        method = "source_language" if number >= FILES * 2 // 3 else "language_id_method"
        pq.write_table(pa.table(rows(chance, text, count // FILES, share, method)), folder / f"cctube_{number}.parquet")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{FILES} files, {size / 2**30:.1f} GiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
