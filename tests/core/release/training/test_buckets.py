"""Which bucket a clip falls into, and what of it is lost, as each trainer's own rules have it."""

from dataclasses import replace

import pytest
from support.trainers import options_of

from slurm.errors import InputError
from stages.core.release.training.buckets import Bucket, Clip, Place, place, read_buckets

WIDE = Clip(1920, 1080, 100, 25.0)


def placed(clip: Clip, layout: str, *buckets: str, **more: object) -> Place | None:
    options = options_of(layout, buckets=[*buckets], **more)
    return place(clip, options, read_buckets(options))


def found(clip: Clip, layout: str, *buckets: str, **more: object) -> str:
    return str(where.bucket) if (where := placed(clip, layout, *buckets, **more)) else "none"


@pytest.mark.parametrize("layout", ["ltx", "finetrainers", "diffusion_pipe"])
def test_what_covers_the_bucket_is_cropped_and_what_follows_its_frames_is_lost(layout: str) -> None:
    where = placed(WIDE, layout, "512x512x49", model_fps=25)
    assert where is not None
    assert where.trained == (512, 512, 49)
    assert where.picture_kept == pytest.approx(1080 / 1920)
    assert where.scale == pytest.approx(512 / 1080)
    assert (where.frames_used, where.frames_lost) == (49, 51)


@pytest.mark.parametrize("layout", ["ltx", "finetrainers", "diffusion_pipe", "musubi"])
def test_a_clip_falls_into_no_bucket_that_has_more_frames(layout: str) -> None:
    short = WIDE._replace(frames=48)
    assert found(short, layout, "512x512x49", model_fps=25) == "none"
    assert found(short._replace(frames=49), layout, "512x512x49", model_fps=25) == "512x512x49"


def test_finetrainers_looks_at_frames_first_and_the_others_at_the_shape() -> None:
    buckets = "512x768x97", "768x512x49", "768x448x25"
    assert found(WIDE, "finetrainers", *buckets) == "512x768x97"
    assert found(WIDE, "ltx", *buckets) == "768x448x25"
    assert found(WIDE, "ltx", "768x448x25", "768x448x49", "384x224x97") == "384x224x97", "then the most frames"


def test_diffusion_pipe_counts_frames_at_the_rate_of_its_model() -> None:
    assert found(WIDE, "diffusion_pipe", "512x512x65", model_fps=16) == "none", "64 of 100 are left at 16 a second"
    where = placed(WIDE, "diffusion_pipe", "512x512x33", model_fps=16)
    assert where is not None
    assert (where.frames_used, where.frames_lost) == (52, 48), "33 at 16 a second are 52 at 25"


@pytest.mark.parametrize(
    ("clip", "bucket", "size"),
    # by musubi-tuner's BucketSelector (30c658c) itself
    [
        (WIDE, "960x544x25", (960, 544)),
        (WIDE._replace(width_px=1080, height_px=1920), "960x544x25", (544, 960)),
        (WIDE._replace(width_px=640, height_px=480), "960x544x25", (832, 624)),
        (WIDE._replace(width_px=2400), "832x480x81", (960, 416)),
        (WIDE._replace(width_px=500, height_px=500), "256x256x5", (256, 256)),
    ],
)
def test_musubi_makes_a_size_of_its_own_for_each_shape(clip: Clip, bucket: str, size: tuple[int, int]) -> None:
    where = placed(clip, "musubi", bucket)
    assert where is not None
    assert where.trained[:2] == size
    assert str(where.bucket) == bucket


@pytest.mark.parametrize(
    ("layout", "bucket", "told"),
    [
        ("ltx", "768x500x49", r"768x500x49 are no multiples of 32 \(format\.side_step_px\)"),
        ("ltx", "768x512x48", r"768x512x48 has not a multiple of 8 frames and 1 more .* say 41"),
        ("ltx", "768x512x1", "say 9"),
        ("musubi", "840x480x81", "multiples of 16"),
        ("musubi", "832x480x83", "multiple of 4 frames .* say 81"),
        ("ltx", "768x512", "'768x512' is not of the form WIDTHxHEIGHTxFRAMES"),
        ("ltx", "0x0x9", "multiples of 32"),
    ],
)
def test_a_bucket_that_is_none_is_refused_with_one_that_is(layout: str, bucket: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_buckets(options_of(layout, buckets=[bucket]))


def test_steps_of_other_models_are_taken() -> None:
    options = options_of("diffusion_pipe", buckets=["1280x720x81", "1280x720x81"])
    with pytest.raises(InputError, match="multiples of 32"):
        read_buckets(options)
    assert read_buckets(replace(options, side_step_px=16, frame_step=4)) == [Bucket(1280, 720, 81)]
    with pytest.raises(InputError, match=r"format\.buckets=\[\] is empty"):
        read_buckets(replace(options, buckets=[]))
