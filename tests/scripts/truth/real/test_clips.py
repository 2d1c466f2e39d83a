"""The comparison of clips with their videos tells a clip that is right from ones that are not."""

from pathlib import Path

import numpy as np
import pytest
from support.numbered import ENCODE, X264, Films, cut_frames, ffmpeg

from scripts.truth.real.clips import check_file, compare, read


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    return Films(tmp_path_factory.mktemp("films"))


def textured(films: Films) -> Path:
    """A film in which every frame is unlike the next, with noise as its sound."""
    out = films.folder / "textured.mp4"
    if not out.exists():
        picture = "testsrc2=s=320x180:r=25:d=4,noise=alls=60:allf=t"
        inputs = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "anoisesrc=d=4:seed=1"]
        ffmpeg(*inputs, *X264, "-pix_fmt", "yuv420p", "-g", "25", "-bf", "2", "-c:a", "aac", out)
    return out


def test_clips_that_cut_makes_have_no_fault(films: Films) -> None:
    for compared, modes, errors in check_file(textured(films), 1).values():
        assert (*compared[1:5], errors) == (0, 0, 0, 0, [])
        assert compared.sound_ms == pytest.approx(0, abs=2)
        assert len(modes) == 4


def test_each_fault_is_found(films: Films, tmp_path: Path) -> None:
    film, out = textured(films), tmp_path / "clip.mp4"
    source = read(film, 30)
    cut_frames(film, 25, 75, out, ENCODE)
    clip = read(out, 30)
    assert compare(source, clip, 1, 3)[1:5] == (0, 0, 0, 0)
    assert compare(source, clip, 1, 3.08).missing == 2
    assert compare(source, clip, 1, 2.92).foreign == 2
    assert compare(source, clip, 1.04, 3.04).shifted == 50
    assert compare(source, clip._replace(grey=255 - clip.grey), 1, 3).foreign == 50
    assert compare(source, clip._replace(times_s=clip.times_s * 1.1), 1, 3).off > 40
    for late in (480, 2400):
        moved = np.concatenate([np.zeros(late, np.float32), clip.sound])
        assert compare(source, clip._replace(sound=moved), 1, 3).sound_ms == pytest.approx(late / 48, abs=1)
