"""What a step's models lack is told before it is submitted: by a Hub on this machine, and caches that are full."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.disks import small_disk
from support.frame_models import stage_settings
from support.hub import COMMIT, Hub
from support.runs import planned

from slurm.errors import ClusterError, InputError
from stages.core.models import hub as hub_module
from stages.core.models.hub import UnreachableError, find_cache, find_file, find_model
from stages.core.models.needed import Needed, check_models
from stages.core.runner.pipeline import submit_steps
from stages.score_frames import models

WEIGHTS = b"w" * 700_000
MODEL = {"config.json": b"{}", "model.safetensors": WEIGHTS, "vocab.txt": b"a\nb", "README.md": b"#", "model.bin": b"b"}
NEEDED = Needed("embedding.model=", "org/model", None)
HEAD = Needed("aesthetic.head=", "org/head/sub/head.pth", None, is_file=True)


@pytest.fixture
def hub() -> Iterator[Hub]:
    plain = {"config.json": b"{}", "pytorch_model.bin": b"b"}
    shelf = {"org/model": MODEL, "org/other": MODEL | {"model.safetensors": WEIGHTS[1:]}, "org/old": plain}
    with Hub(
        {}, models={**shelf, "org/head": {"sub/head.pth": b"h" * 300}}, claims={"huge.safetensors": 10**18}
    ) as made:
        yield made


@pytest.fixture
def env(hub: Hub, tmp_path: Path) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(tmp_path / "kept"), "HOME": str(tmp_path)}


def test_what_a_model_lacks_is_counted_and_the_command_that_is_told_brings_it(
    hub: Hub, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, head = check_models([(NEEDED, env), (HEAD, env)])
    assert (model.bytes, head.files) == (2 + 700_000 + 3, {"org/head/sub/head.pth": 300})
    assert not Path(env["HF_HUB_CACHE"]).exists(), "nothing is written"
    for missing in (model, head):
        words = shlex.split(missing.command)
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
        subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True, timeout=60)
    hub.asked.clear()
    assert check_models([(NEEDED, env), (HEAD, env)]) == []
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert find_model("org/model", None, "").name == COMMIT
    assert find_file(HEAD.name, None, "").read_bytes() == b"h" * 300
    assert hub.asked == [], "what is in the cache is not asked for"
    lost = Path(env["HF_HUB_CACHE"]) / "models--org--model" / "snapshots" / COMMIT / "vocab.txt"
    blob = lost.resolve()
    lost.unlink()
    assert check_models([(NEEDED, env)]) == [], "its bytes are still there"
    blob.unlink()
    assert [missing.files for missing in check_models([(NEEDED, env)])] == [{"org/model/vocab.txt": 3}]


def test_a_cache_without_room_is_told_with_its_folder_and_key(hub: Hub, env: dict[str, str]) -> None:
    hub.models["org/huge"] = {"config.json": b"{}", "huge.safetensors": b""}
    told = r"embedding\.model=org/huge \(1,000,000,000,000\.0 MB\): still to be downloaded into .*/kept, which has "
    with pytest.raises(
        InputError, match=told + r"[\d,]+ MB free and needs 1,000,000,000,000; .*cluster\.hub_cache=DIR"
    ):
        check_models([(NEEDED._replace(name="org/huge"), env)])
    with pytest.raises(InputError, match=r"pool\.model=org/huge"):
        check_models([(Needed("pool.model=", "org/huge", None, served=True), env)])


def test_models_of_all_steps_must_have_room_together(hub: Hub, env: dict[str, str], tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as small:
        here = env | {"HF_HUB_CACHE": str(small / "kept")}
        other = NEEDED._replace(key="nsfw.model=", name="org/other")
        for alone in (NEEDED, other):
            assert len(check_models([(alone, here), (alone, here)])) == 2, "the same files, once"
        with pytest.raises(InputError, match=r"embedding\.model=org/model .*nsfw\.model=org/other .*small/kept"):
            check_models([(NEEDED, here), (other, here)])
        assert len(check_models([(NEEDED, here), (other, env)])) == 2


@pytest.mark.parametrize(
    ("needed", "told"),
    [
        (NEEDED._replace(name="org/none"), r"embedding\.model=org/none: the Hub shows you no such model"),
        (NEEDED._replace(revision="v2"), r"org/model: the Hub has it, but not in this revision"),
        (NEEDED._replace(name="org/old"), r"org/old has no \*\.safetensors on the Hub"),
        (HEAD._replace(name="org/head/gone.pth"), r"aesthetic\.head=.*: org/head has no gone\.pth on the Hub"),
        (NEEDED._replace(name="a b/c"), r"neither a folder nor a name on the Hub"),
        (NEEDED._replace(name="/no/such"), r"there is no such folder"),
        (HEAD._replace(name="./gone.pth"), r"there is no such file"),
    ],
)
def test_what_cannot_be_had_is_told_unless_an_engine_looks_for_it(
    env: dict[str, str], needed: Needed, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        check_models([(needed._replace(stand_in=True), env)])
    assert check_models([(needed._replace(served=True), env)]) == []


def test_where_the_hub_is_out_of_reach_the_command_that_mends_it_is_told(env: dict[str, str]) -> None:
    words = r"\(hf download org/model .*--cache-dir .*/kept\), or give a local path, or say so"
    for away in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        with pytest.raises(
            UnreachableError, match=r"not in the cache \(.*/kept; another folder: cluster\.hub_cache=DIR"
        ):
            check_models([(NEEDED, env | away)])
        with pytest.raises(UnreachableError, match=words):
            check_models([(NEEDED._replace(instead="say so"), env | away)])
        for mild in (NEEDED._replace(stand_in=True), NEEDED._replace(served=True)):
            assert check_models([(mild, env | away)]) == []


def test_a_hub_that_never_answers_is_waited_for_a_few_seconds_only(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for name, value in (env | {"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UnreachableError):
            check_models([(NEEDED, os.environ)])
        with pytest.raises(UnreachableError):
            find_model("org/model", None, "embedding.model=")


def test_a_cache_that_another_program_filled_is_taken_where_nobody_can_be_asked(hub: Hub, env: dict[str, str]) -> None:
    repository = Path(env["HF_HUB_CACHE"]) / "models--org--model"
    for place, content in ((f"snapshots/{COMMIT}/config.json", "{}"), ("refs/main", COMMIT)):
        (repository / place).parent.mkdir(parents=True)
        (repository / place).write_text(content)
    assert check_models([(NEEDED, env | {"HF_HUB_OFFLINE": "1"})]) == []
    assert "org/model/model.safetensors" in check_models([(NEEDED, env)])[0].files


def test_in_a_container_what_lies_here_says_nothing(env: dict[str, str]) -> None:
    for name in ("/models/mine", "package:not_here/model"):
        assert check_models([(NEEDED._replace(name=name, boxed=True), env)]) == []
    with pytest.raises(InputError, match="no such model"):
        check_models([(NEEDED._replace(name="org/none", boxed=True), env)])


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({}, "~/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "~/h"}, "~/h/hub"),
        ({"HF_HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
        ({"HF_HOME": "/h", "HF_HUB_CACHE": "$HOME/c"}, "~/c"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(env: dict[str, str], folder: str) -> None:
    plain = {"HOME": str(Path.home()), "PATH": os.environ["PATH"], **env}
    program = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    done = subprocess.run([sys.executable, "-c", program], env=plain, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(find_cache(plain)) == str(Path(folder).expanduser())


def test_a_step_needs_the_models_of_what_it_was_told_to_do_and_of_its_servers(tmp_path: Path) -> None:
    assert [needed.key for needed in models(stage_settings())] == [
        "aesthetic.model=",
        "aesthetic.head=",
        "watermark.weights=",
        "nsfw.model=",
    ]
    ask = (
        "categorize",
        "run=r",
        f"runs={tmp_path}",
        "after=[]",
        f"cluster.hub_cache={tmp_path}/kept",
        "pool.model=o/m",
    )
    for words, keys in {
        (): ["embedding.model="],
        ("method=generate",): ["pool.model="],
        ("method=cascade",): ["embedding.model=", "pool.model="],
        ("method=generate", "engine=endpoint", "engine.url=http://host"): [],
        ("method=generate", "engine=tgi", "engine.container={runtime: docker, image: i, mounts: []}"): [],
    }.items():
        found = list(planned(*ask, *words)[-1].models())
        assert [needed.key for needed, _ in found] == keys
        assert {str(find_cache(env)) for _, env in found} <= {f"{tmp_path}/kept"}
    own = list(planned(*ask, "method=cascade", "pool.cache=/own")[-1].models())
    assert [find_cache(env) for _, env in own] == [tmp_path / "kept", Path("/own")]


def test_a_submission_to_slurm_prints_the_command_for_nodes_without_a_net(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos.csv").write_text("url\nhttp://host/1.mp4\n")
    (tmp_path / "own" / "local").mkdir(parents=True)
    site = f"# @package _global_\ncluster: {{hub_cache: {tmp_path}/kept}}\n"
    (tmp_path / "own" / "local" / "default.yaml").write_text(site)
    words = ["categorize", "run=r", f"runs={tmp_path}", "after=ingest", f"input.path={tmp_path}/videos.csv"]
    words += ["embedding.model=org/model", "cluster=slurm", f"--config-dir={tmp_path}/own"]
    words += [f"+cluster.env.PATH={tmp_path}", f"+cluster.env.HF_ENDPOINT={hub.url}"]
    with pytest.raises(ClusterError, match="no Slurm on this machine"):
        submit_steps(planned(*words))
    assert "(0.7 MB): hf download org/model --include '*.json' " in (out := capsys.readouterr().out)
    assert f"--cache-dir {tmp_path}/kept\n" in out
