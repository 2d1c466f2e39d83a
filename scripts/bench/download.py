"""Measures downloads against `curl --parallel` with the same connections: 500 videos of 2 MB from a server here.

First `HttpClient.save` alone, SHA-256 included, in as many processes and threads as the step has. Then the whole
download step, in which every file is also probed, recorded, stored and safe on the disk: from its first request to its
end; its start is measured separately. The server, curl and we share this machine's cores, so what is measured is the
work that a file costs, not a network: that comes in the last lines, where the server sends 1 Gbit/s to all
connections together.
`parts=save,step,gigabit` are the three.
"""

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import NamedTuple

from scripts.bench.lines import ROOT, Line, each

FILE_BYTES = 2_000_000
CONNECTIONS = 8
WORKERS = 2  # of the step; each has its part of the connections
BAR = 1.3  # times curl's wall time
GIGABIT = 125_000_000  # bytes a second
SO_MAX_PACING_RATE = 47  # Linux: the kernel sends no faster; not among socket's names


class Served(NamedTuple):
    address: str
    first_s: "Synchronized[float]"  # when the first request came since it was set to 0
    pace: "Synchronized[int]"  # bytes a second of a connection; 0: as fast as it goes


def film(path: Path, size: str) -> None:
    """A video of FILE_BYTES, the last of them in a `free` box."""
    from imageio_ffmpeg import get_ffmpeg_exe

    source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=8", "-f", "lavfi", "-i", "sine=d=8"]
    coded = ["-c:v", "libx264", "-b:v", "1700k", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"]
    subprocess.run([get_ffmpeg_exe(), "-v", "error", *source, *coded, str(path)], check=True)
    spare = FILE_BYTES - path.stat().st_size
    with path.open("ab") as file:
        file.write(spare.to_bytes(4, "big") + b"free" + bytes(spare - 8))


def films(folder: Path, count: int, size: str) -> None:
    """So many videos that differ in their last bytes."""
    folder.mkdir()
    film(folder / "000.mp4", size)
    content = (folder / "000.mp4").read_bytes()
    for number in range(count):
        (folder / f"{number:03d}.mp4").write_bytes(content[:-4] + number.to_bytes(4, "big"))


@contextmanager
def server(folder: Path) -> Iterator[Served]:
    """A web server for the files of a folder, as fast as it goes: two processes, the kernel sends."""
    context = multiprocessing.get_context("fork")
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    served = Served(address, context.Value("d", 0.0), context.Value("q", 0))
    processes = [context.Process(target=serve, args=(listener, folder, served), daemon=True) for _ in range(2)]
    for process in processes:
        process.start()
    yield served
    for process in processes:
        process.kill()


def serve(listener: socket.socket, folder: Path, served: Served) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, folder, served), daemon=True).start()


def answer(connection: socket.socket, folder: Path, served: Served) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if served.pace.value:
        connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, served.pace.value)
    asked = b""
    while True:
        while b"\r\n\r\n" not in asked:
            if not (more := connection.recv(1 << 16)):
                return
            asked += more
        served.first_s.value = served.first_s.value or time.time()
        head, _, asked = asked.partition(b"\r\n\r\n")
        with (folder / head.split(b" ", 2)[1].decode().lstrip("/")).open("rb") as file:
            told = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n'
            connection.sendall(told % os.fstat(file.fileno()).st_size, socket.MSG_MORE)
            connection.sendfile(file)


def curl(served: Served, folder: Path, files: int) -> float:
    """Wall seconds of curl; it writes the files and no more."""
    address, target = f"{served.address}/[000-{files - 1:03d}].mp4", f"{folder}/#1.mp4"
    start_s = time.perf_counter()
    command = [
        "curl",
        "--no-progress-meter",
        "--fail",
        "--parallel",
        "--parallel-max",
        str(CONNECTIONS),
        "-o",
        target,
        address,
    ]
    subprocess.run(command, check=True)
    return time.perf_counter() - start_s


def save(served: Served, folder: Path, files: int) -> float:
    """Wall seconds of HttpClient.save in processes and threads like the step's, imports left out."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(1 + WORKERS)
    shares = [[f"{number:03d}.mp4" for number in range(first, files, WORKERS)] for first in range(WORKERS)]
    processes = [context.Process(target=saving, args=(ready, served.address, folder, share)) for share in shares]
    for process in processes:
        process.start()
    ready.wait()
    start_s = time.perf_counter()
    for process in processes:
        process.join()
    return time.perf_counter() - start_s


def saving(ready: Barrier, address: str, folder: Path, names: list[str]) -> None:
    from stages.core.fetch.session import Session
    from stages.core.fetch.settings import Access, Pace
    from stages.core.fetch.web.http import HttpClient

    session = Session(folder / "pace", Pace(None, (0.0, 0.0), (60.0, 60.0), 1), Access(None, None, None))
    http = HttpClient(session, 60.0, CONNECTIONS // WORKERS)
    ready.wait()
    with ThreadPoolExecutor(CONNECTIONS // WORKERS) as threads:
        list(threads.map(lambda name: http.save(f"{address}/{name}", folder / name, FILE_BYTES), names))


def step(served: Served, folder: Path, files: int) -> tuple[float, float]:
    """Seconds until the step's first request, and from there to its end."""
    addresses = [f"{served.address}/{number:03d}.mp4" for number in range(files)]
    (folder / "list.txt").write_text("\n".join(addresses) + "\n")
    run = ["run=bench", f"runs={folder}", "chunks.n=1"]
    ingest = ["-m", "stages.ingest", *run, f"input.path={folder / 'list.txt'}", "source=urls"]
    workers = [f"items.workers={WORKERS}", f"items.at_once={CONNECTIONS // WORKERS}", "pace.requests_per_s=null"]
    subprocess.run([sys.executable, *ingest], cwd=ROOT, check=True, capture_output=True)
    served.first_s.value, start_s = 0.0, time.time()
    subprocess.run([sys.executable, "-m", "stages.download", *run, *workers], cwd=ROOT, check=True, capture_output=True)
    return served.first_s.value - start_s, time.time() - served.first_s.value


def fresh(folder: Path) -> Path:
    """An empty folder, and a disk that has nothing left to write."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.sync()
    return folder


def whole(folder: Path, files: int) -> None:
    """Fails unless every file is there."""
    sizes = [path.stat().st_size for path in folder.rglob("*.mp4")]
    assert sizes == [FILE_BYTES] * files, f"{len(sizes)} files of {set(sizes)} bytes in {folder}"


def in_turns(folder: Path, served: Served, names: Sequence[str], files: int, times: int) -> dict[str, list[float]]:
    """Seconds of curl and of ours in turn, so that whatever else the machine does troubles both."""
    spent: dict[str, list[float]] = {name: [] for name in ("curl", "save", "start", "step")}
    for _ in range(times):
        spent["curl"].append(curl(served, fresh(folder), files))
        whole(folder, files)
        if "save" in names:
            spent["save"].append(save(served, fresh(folder), files))
            whole(folder, files)
        if "step" in names:
            start_s, step_s = step(served, fresh(folder), files)
            spent["start"].append(start_s)
            spent["step"].append(step_s)
            whole(folder, files)
    return spent


def lines(spent: dict[str, list[float]], pace: str = "") -> Iterator[Line]:
    titles = {
        "curl": f"curl --parallel --parallel-max {CONNECTIONS}{pace}",
        "save": f"HttpClient.save, {WORKERS} processes of {CONNECTIONS // WORKERS} threads, hashed{pace}",
        "start": f"download step with as many, until its first request{pace}",
        "step": f"… from there to its end{pace}",
    }
    for name, title in titles.items():
        if spent[name]:
            yield Line(title, median(spent[name]), "s", None, each(spent[name]))
            if name in ("save", "step"):
                yield Line(f"… times curl's: {name}{pace}", median(spent[name]) / median(spent["curl"]), "", BAR)


def measure(
    folder: Path, *, files: int = 500, parts: str = "save,step,gigabit", times: int = 3, small: bool = False
) -> Iterator[Line]:
    files, times = (4, 1) if small else (files, times)
    names = ["save", "gigabit"] if small else parts.split(",")
    source = folder / "films"
    if not source.exists():
        films(source, files, "160x90" if small else "1280x720")
    with server(source) as served:
        if {"save", "step"} & set(names):
            yield from lines(in_turns(folder / "out", served, names, files, times))
        if "gigabit" in names:
            served.pace.value = GIGABIT // CONNECTIONS
            yield from lines(in_turns(folder / "out", served, ["step"], files, times), ", at 1 Gbit/s")
