"""The embedded engine as a process of its own or in a thread, and tiny models of the families that it is meant for."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from stages.core.models.embedded import untrained
from stages.core.models.embedded.__main__ import load_server, parse_arguments, serve

START_S = 60.0
SIDE_PX = 32
ROWS = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
QWEN_MARKS = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"]
LAYERS = ["num_hidden_layers", "num_attention_heads", "num_key_value_heads"]
SIZES = ["vocab_size", "hidden_size", "intermediate_size", "max_position_embeddings", *LAYERS]
MOST_SQUARES = 24  # tokens of the largest picture
MARKS = ["<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *ROWS]


class Said(NamedTuple):
    status: int
    body: Any


class Engine:
    """A client of an engine on this machine."""

    def __init__(self, port: int, key: str | None = None) -> None:
        self.port, self.key = port, key

    def wait(self, alive: Callable[[], bool]) -> None:
        """Until it answers; fails if it dies instead."""
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s:
            try:
                self.get("/health")
                return
            except urllib.error.URLError:
                assert alive()
                time.sleep(0.05)
        raise TimeoutError(f"no answer in {START_S:g} s")

    def get(self, path: str) -> Said:
        return self._ask(path, None)

    def post(self, path: str, body: Any) -> Said:
        return self._ask(path, body if isinstance(body, bytes) else json.dumps(body).encode())

    def generate(self, inputs: str, **parameters: Any) -> Said:
        return self.post("/generate", {"inputs": inputs, "parameters": {"details": True, **parameters}})

    def chat(self, *parts: str | bytes, **more: Any) -> Said:
        """A message of texts and pictures (as bytes), greedy if nothing else is said."""
        content = [picture(part) if isinstance(part, bytes) else {"type": "text", "text": part} for part in parts]
        body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 8, **more}
        return self.post("/v1/chat/completions", body)

    def together(self, count: int, **parameters: Any) -> list[Said]:
        """What as many different prompts at once get."""
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda number: self.generate(prompt(number), **parameters), range(count)))

    def metric(self, name: str) -> float:
        lines = dict(line.rsplit(" ", 1) for line in self.get("/metrics").body.splitlines() if line[0] != "#")
        return float(lines[name])

    def _ask(self, path: str, data: bytes | None) -> Said:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Said(response.status, _read(response.read()))
        except urllib.error.HTTPError as error:
            return Said(error.code, _read(error.read()))


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


class Process(Engine):
    """One that its command has started."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        super().__init__(free_port(), env.get("API_KEY"))
        command = [sys.executable, "-m", "stages.core.models.embedded", "--port", str(self.port), *words]
        self.words = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by started
        self.process = subprocess.Popen(command, env={**os.environ, **env}, stderr=self.words)

    def said(self) -> str:
        """All that it has written on stderr."""
        self.words.seek(0)
        return self.words.read()


@contextmanager
def started(*words: str, **env: str) -> Iterator[Process]:
    """An engine that answers; ended with the block."""
    engine = Process(words, env)
    with engine.words, engine.process:
        try:
            engine.wait(lambda: engine.process.poll() is None)
            yield engine
        finally:
            engine.process.terminate()


@contextmanager
def inside(*words: str) -> Iterator[Engine]:
    """The same server in a thread of this process: one of its own takes 5 s to load torch and transformers."""
    port = free_port()
    given = parse_arguments([*words, "--port", str(port)])
    stop, loops = asyncio.Event(), list[asyncio.AbstractEventLoop]()

    async def live(listener: socket.socket) -> None:
        loops.append(asyncio.get_running_loop())
        await serve(load_server(given, Path(given.model_id), given.model_id), listener, stop)

    with socket.socket() as listener:
        listener.bind((given.hostname, port))
        thread = threading.Thread(target=lambda: asyncio.run(live(listener)))
        thread.start()
        try:
            engine = Engine(port)
            engine.wait(thread.is_alive)
            yield engine
        finally:
            loops[0].call_soon_threadsafe(stop.set)
            thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def prompt(number: int) -> str:
    """Prompts of unlike length, each with a word of its own."""
    return f"Video {number}: " + "the crowd sings, and the lights change. " * (number % 4)


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> bytes:
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, "JPEG")
    return written.getvalue()


def picture(content: bytes) -> dict[str, Any]:
    url = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def mark(*parts: str | bytes) -> str:
    """A prompt with pictures as TGI marks them."""
    return "".join(part if isinstance(part, str) else f"![]({picture(part)['image_url']['url']})" for part in parts)


def save(kind: str, folder: Path) -> Path:
    """Writes a tiny model: text, llava, idefics3, smolvlm, qwen2_5_vl or qwen3_vl."""
    if kind in ("text", "llava"):
        untrained.save(folder, images=kind == "llava")
    elif kind.startswith("qwen"):
        save_qwen(kind, folder)
    else:
        save_tiles(kind, folder)
    return folder


def save_tiles(kind: str, folder: Path) -> None:
    """A model that sees a picture in tiles, with the files that its real kin have on the Hub."""
    import torch
    import transformers

    made = untrained.tokenizer()
    made.add_tokens(MARKS, special_tokens=True)
    name = {"idefics3": "Idefics3", "smolvlm": "SmolVLM"}[kind]
    config = getattr(transformers, f"{name}Config")(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE_PX,
            "patch_size": 8,
        },
        text_config=untrained.text(made).to_dict(),
        scale_factor=2,
        image_token_id=made.convert_tokens_to_ids("<image>"),
        pad_token_id=made.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    model.generation_config.eos_token_id = made.eos_token_id
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    pictures = {
        "image_processor_type": f"{name}ImageProcessor",
        "processor_class": f"{name}Processor",
        "do_image_splitting": True,
        "size": {"longest_edge": 2 * SIDE_PX},
        "max_image_size": {"longest_edge": SIDE_PX},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
    processor = {"processor_class": f"{name}Processor", "image_seq_len": 4}
    (folder / "processor_config.json").write_text(json.dumps(processor))


def save_qwen(kind: str, folder: Path) -> None:
    """A model that sees a picture in squares, a token each, with the files that its real kin have on the Hub."""
    import torch
    import transformers

    made = untrained.tokenizer()
    made.add_tokens(QWEN_MARKS, special_tokens=True)
    start, place, end, video = made.convert_tokens_to_ids(QWEN_MARKS)
    template = untrained.TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    text = untrained.text(made).to_dict()
    text = {name: text[name] for name in (*SIZES, "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id")}
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    eyes: dict[str, Any] = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
    eyes |= {"out_hidden_size": text["hidden_size"], "initializer_range": 0.2}
    pictures: dict[str, Any] = {"temporal_patch_size": 2, "merge_size": 2}
    if kind == "qwen2_5_vl":
        name = "Qwen2_5_VL"
        eyes |= {"patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]}
        pictures |= {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
        pictures |= {"patch_size": 14, "min_pixels": 28 * 28, "max_pixels": 28 * 28 * MOST_SQUARES}
        made.chat_template = template
    else:
        name = "Qwen3VL"
        text["head_dim"] = 16
        eyes |= {"patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
        pictures |= {"image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor"}
        pictures |= {"patch_size": 16, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
        pictures["size"] = {"shortest_edge": 32 * 32, "longest_edge": 32 * 32 * MOST_SQUARES}
        # the tokenizer's own template has no tokens for pictures
        (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    config = getattr(transformers, f"{name}Config")(
        vision_config=eyes,
        text_config=text,
        vision_start_token_id=start,
        image_token_id=place,
        vision_end_token_id=end,
        video_token_id=video,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(transformers, f"{name}ForConditionalGeneration")(config)
    model.generation_config.eos_token_id = made.eos_token_id
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures))
