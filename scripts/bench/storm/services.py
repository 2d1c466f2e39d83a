"""What befalls the whole cluster (nodes, accounting, controller, disk), and what impatient people do meanwhile."""

import signal
import subprocess
import time
from contextlib import suppress

from scripts.bench.lines import ROOT
from scripts.bench.storm.seen import ask, daemon, kill, processes
from scripts.bench.storm.state import Fault, Kind, Storm
from scripts.bench.storm.tasks import storm_tasks_on

NODES = ("cpu1", "cpu2", "cpu3", "gpu1")


def devcluster(*words: str) -> None:
    """Starts scripts/devcluster with these words and does not wait for its end."""
    subprocess.Popen([ROOT / "scripts" / "devcluster", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def node_down(storm: Storm) -> Fault | None:
    """A node is set down; Slurm ends what ran there and requeues it. It comes back."""
    node = storm.chance.choice(NODES)
    fault = Fault("node_down", time.time(), node, storm_tasks_on(node))
    ask("scontrol", "update", f"nodename={node}", "state=down", "reason=storm")
    storm.after(
        storm.lasts(storm.chance.uniform(3, 8)), lambda: ask("scontrol", "update", f"nodename={node}", "state=resume")
    )
    fault.over = time.time() + 10
    return fault


def node_lost(storm: Storm) -> Fault | None:
    """A node falls off the network: its daemons are gone at once, its processes go on for a while and still write."""
    node = storm.chance.choice(NODES)
    slurmd = daemon(storm.state, f"slurmd.{node}")
    if slurmd is None:
        return None
    fault = Fault("node_lost", time.time(), node, storm_tasks_on(node))
    there = list(processes())
    left = [process for process in there if process.node == node]
    kill(slurmd, signal.SIGKILL)
    for process in there:
        if process.role == "stepd" and process.raw in {other.raw for other in left}:
            kill(process.pid, signal.SIGKILL)
    ask("scontrol", "update", f"nodename={node}", "state=down", "reason=storm")

    def back() -> None:
        for process in left:
            kill(process.pid, signal.SIGKILL)
        devcluster("node", node)

    storm.after(storm.lasts(storm.chance.uniform(2, 8)), back)
    fault.over = time.time() + 15
    return fault


def lose_accounting(storm: Storm) -> Fault | None:
    """slurmdbd is away for some seconds: nobody can say how tasks ended."""
    return _lost_daemon(storm, "slurmdbd", "lose_accounting")


def lose_controller(storm: Storm) -> Fault | None:
    """slurmctld is away for some seconds: nothing can be asked, submitted or requeued."""
    return _lost_daemon(storm, "slurmctld", "lose_controller")


def _lost_daemon(storm: Storm, name: str, kind: str) -> Fault | None:
    pid = daemon(storm.state, name)
    if pid is None or not kill(pid, signal.SIGTERM):
        return None
    seconds = storm.lasts(storm.chance.uniform(5, 20))
    back = f"sleep {seconds}; exec {ROOT / 'scripts' / 'devcluster'} up"  # beside us: what we ask now may take long
    subprocess.Popen(["sh", "-c", back], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if name == "slurmctld":
        storm.silent_until = time.time() + seconds + 5.0
        for run in storm.runs[-2:]:
            run.resume()
    return Fault(kind, time.time(), name)


def launch_fails(storm: Storm) -> Fault | None:
    """For some seconds no node can launch what comes to it: Slurm drains the node, and holds the task."""
    broken = storm.state / "prolog.fails"
    broken.touch()

    def mend() -> None:
        broken.unlink(missing_ok=True)
        for node in NODES:
            ask("scontrol", "update", f"nodename={node}", "state=resume")

    storm.after(storm.lasts(storm.chance.uniform(2, 5)), mend)
    return Fault("launch_fails", time.time(), str(broken))


def fill_disk(storm: Storm) -> Fault | None:
    """The disk of the runs is full for some seconds."""
    if storm.disk is None:
        return None
    fault = Fault("fill_disk", time.time(), str(storm.disk))
    filler = storm.disk / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    with suppress(OSError), filler.open("ab", buffering=0) as file:  # the last page, too
        while True:
            file.write(bytes(512))
    seconds = storm.lasts(storm.chance.uniform(1, 4))
    for node in NODES:
        fault.hit += storm_tasks_on(node)
    storm.after(seconds, lambda: filler.unlink(missing_ok=True))
    fault.over = time.time() + seconds + 10
    return fault


def submit_twice(storm: Storm) -> Fault | None:
    """Somebody gives the command that began the run again, twice at once."""
    run = storm.a_run()
    if run is None or any(command.process.poll() is None for command in storm.commands):
        return None
    run.submit()
    run.submit()
    return Fault("submit_twice", time.time(), run.name)


def resume_now(storm: Storm) -> Fault | None:
    """Somebody says resume while everything runs."""
    run = storm.a_run()
    if run is None:
        return None
    run.send("slurm", "resume")
    return Fault("resume_now", time.time(), run.name)


def resume_twice(storm: Storm) -> Fault | None:
    """Two people say resume at the same moment."""
    run = storm.a_run()
    if run is None or sum(command.process.poll() is None for command in storm.commands) > 1:
        return None
    run.send("slurm", "resume")
    run.send("slurm", "resume")
    return Fault("resume_twice", time.time(), run.name)


NODE = r"node_fail|NODE_FAIL|launch failed"
KINDS = {
    "node_down": Kind(node_down, 1.0, NODE, by_cluster=True, alone=True),
    "node_lost": Kind(node_lost, 0.8, NODE, by_cluster=True, alone=True),
    "launch_fails": Kind(launch_fails, 0.5, alone=True),
    "lose_accounting": Kind(lose_accounting, 0.4, alone=True),
    "lose_controller": Kind(lose_controller, 0.3, alone=True),
    "fill_disk": Kind(fill_disk, 0.3, r"disk_full|No space left|disk", alone=True),
    "submit_twice": Kind(submit_twice, 1.0),
    "resume_now": Kind(resume_now, 2),
    "resume_twice": Kind(resume_twice, 1),
}
