"""What is shown or shared has *** in place of the credentials of a config."""

import pytest

from slurm.credentials import MASK, conceal, hidden, masked, put_back, redact, take_out

SHOWN = {
    "https://user:pa@ss@host/a.csv": "https://***@host/a.csv",
    "ftp://me:word@host/x": "ftp://***@host/x",
    "https://token@host/x": "https://***@host/x",
    "https://bucket.host/a.mp4?X-Amz-Signature=abcdef&partNumber=1": (
        "https://bucket.host/a.mp4?X-Amz-Signature=***&partNumber=1"
    ),
    "export HF_TOKEN=hf_abcdef": "export HF_TOKEN=***",
    "--api-key=abcdef --port=80": "--api-key=*** --port=80",
    "Error in '++cluster.env.NAME=abcdef'": "Error in '++cluster.env.NAME=***'",
}
PLAIN = [
    "hf://datasets/org/name@main/a.parquet",
    "parquet://mp4@12::hf://org/name/0.parquet",
    "https://host/@user/video?id=3",
    "max_input_tokens=4096",
    "cluster.env_file=/home/me/env cannot be read",
    "module load ffmpeg",
]


@pytest.mark.parametrize("text", SHOWN)
def test_credentials_in_a_text_are_hidden(text: str) -> None:
    assert redact(text) == SHOWN[text]


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text


def test_every_value_of_an_env_is_hidden_but_where_slurm_is_and_what_is_put_in_later() -> None:
    env = {"A": "abcdef", "SLURM_CONF": "/etc/slurm.conf", "KEY": "{key}", "FLAG": "1"}
    assert masked({"cluster": {"env": env}}) == {"cluster": {"env": {**env, "A": MASK}}}
    assert masked({"options": {"api-key": "abcdef", "model": "m"}}) == {"options": {"api-key": MASK, "model": "m"}}
    assert masked(["++cluster.env.A=abcdef", "cluster=slurm"]) == [f"++cluster.env.A={MASK}", "cluster=slurm"]


def test_what_was_taken_out_is_put_back_where_the_mask_is() -> None:
    config = {"env": {"A": "abcdef", "B": "1"}, "setup": ["cd /x", "export A_TOKEN=abcdef"], "path": "http://a:b@c/d"}
    shown = masked(config)
    assert "abcdef" not in str(shown)
    assert hidden(shown) == ["env.A", "setup", "path"]
    for at, secret in take_out(config, shown):
        put_back(shown, at, secret)
    assert shown == config
    changed = {"env": {"A": "other"}}
    put_back(changed, ["env", "A"], "abcdef")
    put_back(changed, ["env", "gone", "deeper"], "abcdef")
    assert changed == {"env": {"A": "other"}}


def test_a_value_that_was_met_is_hidden_wherever_it_stands() -> None:
    conceal({"A": "met-before", "WHERE": "/shared/place"})
    assert redact("it said met-before in /shared/place") == f"it said {MASK} in /shared/place"
