"""Each command by which README answers another system's script is one that our keys allow."""

import re
import shlex
from pathlib import Path

import pytest
from support.runs import ROOT

from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line

SECTION = (ROOT / "README.md").read_text().partition("## Coming from other scripts")[2].partition("\n## ")[0]
COMMANDS = sorted(set(re.findall(r"`(python -m stages[^`]*)`", SECTION)))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_stands_for_a_script_is_accepted(command: str, tmp_path: Path) -> None:
    _, _, module, *words = shlex.split(command)
    line = read_line([*words, f"runs={tmp_path}"], None if module == "stages" else module)
    assert points_of(line)


SCRIPTS = [
    "filter-yt-commons",
    "download_and_upload",
    "check_static",
    "worddensityfiltering",
    "create_prompts",
    "launchTGI-Slurm",
    "tgi_inference_client",
    "oracle",
    "video2annotation",
    "video_alignment",
    "folder_to_parquet",
    "video_to_scenes",
    "extract_frames",
    "add_captions",
    "add_shot_categories",
    "add_watermark_laion_score",
    "add_aesthetic_laion_score",
    "add_nsfw_score",
    "add_motion_score",
    "reference_video_similarity",
    "download_videos_release",
]
FLAGS = [
    "--path",
    "--parquet-path",
    "--parquet-out-path",
    "--out-path",
    "--threshold",
    "--min-scene-len",
    "--duration",
    "--frames-path",
    "--device",
    "--dtype",
    "--model",
    "--videos_folder",
    "--reference",
    "--max_num_frames",
    "--batch_size",
    "--parquet_out_path",
    "--bsz",
    "--resolution",
    "--node_num",
    "--node_id",
    "--process_num",
    "--workdir",
    "--out_dir",
    "--dataset_key",
    "--multiprocess",
    "--reset_auth",
    "ACCOUNT_NUM",
    "size_chunk",
    "worker_number",
    "--video_list",
]


@pytest.mark.parametrize("name", [*SCRIPTS, *FLAGS])
def test_every_script_and_flag_has_its_answer(name: str) -> None:
    assert re.search(rf"(?<![\w-]){name}(?![\w-])", SECTION)
