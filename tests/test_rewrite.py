"""Descriptions become prompts of no more tokens than their text encoder reads, counted by its own tokenizer."""

import json
from pathlib import Path

import polars as pl
import pytest
from support.described import FINE, asking, made_run, run_stage
from support.hub import Hub
from support.pools import model_server
from support.runs import command
from support.steps import finish, made_step
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from slurm.pool.wire import Reply
from stages.core.command_line.points import points_of
from stages.core.command_line.words import read_line
from stages.core.text.caption.encoder import TokenCounter
from stages.core.text.caption.form import Judged
from stages.core.text.verdict import RejectedError
from stages.rewrite import read_rewritten


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """The tokenizer of an encoder: a token a word or mark, and one at each end."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    made = Tokenizer(WordLevel({"[UNK]": 0, "<s>": 1, "</s>": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "config.json").write_text("{}")
    return folder


def test_tokens_are_counted_with_the_marks_at_the_ends(encoder: Path) -> None:
    count = TokenCounter(str(encoder), None)
    assert [count(text) for text in ("", "a dog", "a dog, running")] == [2, 4, 6]
    judged, reply = Judged(None, []), Reply('"A dog runs\nalong a beach."', "end", 1, 1, None)
    assert read_rewritten(reply, judged, 50, count, 9) == {
        "rewritten_caption": "A dog runs along a beach.", "rewritten_tokens": 9
    }  # fmt: skip
    with pytest.raises(RejectedError, match=r"truncated.*it has 9 tokens, the most .encoder.max_tokens. is 8"):
        read_rewritten(reply, judged, 50, count, 8)


def test_what_stays_too_long_fails_and_the_others_have_their_counts(tmp_path: Path, encoder: Path) -> None:
    run = made_run(tmp_path / "r", {"a": "/none/a.mp4"}, [(f"c{n}", "a", 0.0, 2.0) for n in range(2)])
    step = made_step(
        run, "refine", stage="refine", n=1, inputs=["split"], aligned=True, keys=["clip_id", "video_id"],
        gives=dict.fromkeys(("clip_id", "video_id", "refined_caption", *FINE), "String"),
    )  # fmt: skip
    rows = pl.DataFrame({"clip_id": ["c0", "c1"], "video_id": ["a"] * 2, "refined_caption": ["a dog", "a d-o-g"]})
    finish(step, 0, rows.with_columns(**{name: pl.lit(None, pl.String) for name in FINE}))
    with model_server("--strict") as server:
        words = [f"encoder.model={encoder}", "encoder.max_tokens=3", "language=null"]
        found = run_stage("rewrite", run, *asking(server, *words))
        assert server.ask("/seen")["malformed"] == 0
    assert (found["c0"]["rewritten_caption"], found["c0"]["rewritten_tokens"]) == ("dog", 3)
    assert (found["c0"]["rewrite_model"], found["c0"]["rewrite_tries"]) == ("test/model", 1)
    assert found["c1"]["error"] == "truncated"
    assert "it has 4 tokens" in str(found["c1"]["error_detail"])


def test_the_encoders_are_clip_and_t5_and_only_their_tokenizers_are_fetched(tmp_path: Path, encoder: Path) -> None:
    def chosen(*words: str) -> tuple[str, int]:
        step = points_of(read_line(["run=r", f"runs={tmp_path}", "after=[]", *words], "stages.rewrite"))[0].order[-1]
        return step.config.encoder.model, step.config.encoder.max_tokens

    assert chosen() == ("openai/clip-vit-large-patch14", 77)
    assert chosen("encoder=t5") == ("google-t5/t5-small", 226)
    assert chosen("encoder=t5", "encoder.max_tokens=512")[1] == 512
    made_run(tmp_path / "r", {"a": "/none/a.mp4"}, [("c0", "a", 0.0, 2.0)])
    small = {path.name: path.read_bytes() for path in encoder.iterdir()}
    with Hub(
        {}, models={"org/encoder": small | {"model.safetensors": b""}}, claims={"model.safetensors": 10**18}
    ) as hub:
        env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
        words = ["run=r", f"runs={tmp_path}", "after=split", "column=camera_move", "dry_run=true"]
        pool = ["engine=endpoint", "engine.url=http://127.0.0.1:9", "pool.model=m"]
        done = command("stages.rewrite", *words, *pool, "encoder.model=org/encoder", env=env)
        assert done.returncode == 0, done.stderr
        refused = command("stages.rewrite", *words, *pool, "encoder.model=org/none", env=env)
    assert refused.returncode == 2
    assert "encoder.model=org/none" in refused.stderr
