"""Texts by the text towers of CLIP and SigLIP: as transformers has them, alone or in batches; long ones in pieces."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from support.frame_models import save_clip, save_siglip, save_tokenizer
from transformers import CLIPModel, SiglipModel

from stages.core.frames.text_encoder import TextEncoder, Tokens
from stages.core.models.device import find_device
from stages.core.models.hub import UnloadableError

MOST = {"clip": 77, "siglip": 64}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    found = {"clip": save_clip(root / "clip"), "siglip": save_siglip(root / "siglip")}
    for kind, folder in found.items():
        save_tokenizer(folder, kind)
    return found


def encoder(folder: Path) -> TextEncoder:
    return TextEncoder(folder, str(folder), "embed", find_device("float32", gpus=0))


def words(chance: Random, count: int) -> str:
    return " ".join(f"w{chance.randrange(3, 97)}" for _ in range(count))


@pytest.mark.parametrize("kind", MOST)
def test_a_text_has_the_vector_that_transformers_gives_it(folders: dict[str, Path], kind: str) -> None:
    model = (CLIPModel if kind == "clip" else SiglipModel).from_pretrained(folders[kind])
    begin, fill = ([97], []) if kind == "clip" else ([], [1] * (64 - 4))
    with torch.inference_mode():
        given = model.get_text_features(input_ids=torch.tensor([[*begin, 5, 6, 7, 98, *fill]]))
    vector = getattr(given, "pooler_output", given)[0].numpy()
    ((unit, pieces),) = encoder(folders[kind]).embed(["w5 w6 w7"], 8)
    assert pieces == 1
    assert np.abs(unit - vector / np.linalg.norm(vector)).max() < 1e-5


@pytest.mark.parametrize("kind", MOST)
def test_batches_give_what_one_text_after_another_gives(folders: dict[str, Path], kind: str) -> None:
    chance = Random(1)
    texts = [
        ". ".join(words(chance, chance.randrange(1, 40)) for _ in range(chance.randrange(1, 6))) for _ in range(40)
    ]
    own = encoder(folders[kind])
    together, alone = own.embed(texts, 16), [own.embed([text], 1)[0] for text in texts]
    assert [pieces for _, pieces in together] == [pieces for _, pieces in alone]
    assert max(pieces for _, pieces in together) > 1
    assert max(np.abs(one - other).max() for (one, _), (other, _) in zip(together, alone, strict=True)) < 1e-4


@pytest.mark.parametrize("kind", MOST)
def test_a_long_text_is_the_mean_of_its_pieces_by_their_tokens(folders: dict[str, Path], kind: str) -> None:
    own, chance = encoder(folders[kind]), Random(2)
    first, second, third = words(chance, 30) + ".", words(chance, 30) + ".", words(chance, 40) + "."
    ((unit, pieces),) = own.embed([f"{first} {second} {third}"], 8)
    assert pieces == 2, "the third does not fit beside the first two"
    (one, _), (other, _) = own.embed([f"{first} {second}", third], 8)
    counts = [own.tokens.count(text) for text in (f"{first} {second}", third)]
    mean = counts[0] * one + counts[1] * other
    assert np.abs(unit - mean / np.linalg.norm(mean)).max() < 1e-5
    short, _ = own.embed([first], 8)[0]
    assert np.abs(unit - short).max() > 0.01, "what is behind the limit counts"


def test_what_is_longer_than_the_limit_is_divided_and_no_word_is_lost(folders: dict[str, Path]) -> None:
    tokens, chance = Tokens(folders["siglip"], "siglip", 64), Random(3)
    endless = words(chance, 300)
    pieces = tokens.split(endless)
    assert " ".join(piece.text for piece in pieces) == endless
    assert max(piece.tokens for piece in pieces) <= 64
    assert [len(own) for own in tokens.encode([endless, "w3", ""])] == [64] * 3
    unspaced = "w3,w4." * 200
    assert all(piece.tokens <= 64 for piece in tokens.split(unspaced))
    assert [piece.text for piece in tokens.split("w3 w4。w5。")] == ["w3 w4。 w5。"]
    assert len(tokens.split(" ")) == 1


def test_siglip_reads_lower_case_without_punctuation_and_clip_as_it_is(folders: dict[str, Path]) -> None:
    siglip, clip = (Tokens(folders[kind], kind, most) for kind, most in (("siglip", 64), ("clip", 77)))
    assert siglip.encode(["W5, w6!"])[0][:4] == [5, 6, 98, 1]
    assert clip.encode(["W5, w6!"])[0][:7] == [97, 0, 0, 6, 0, 98, 1]


def test_what_has_no_text_tower_or_no_tokenizer_says_so(folders: dict[str, Path], tmp_path: Path) -> None:
    bare = save_clip(tmp_path / "bare")
    with pytest.raises(UnloadableError, match=r"embed.model=.*it has no tokenizer.json"):
        encoder(bare)
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(UnloadableError, match="it is a vit, not one of clip, siglip"):
        encoder(tmp_path / "vit")
