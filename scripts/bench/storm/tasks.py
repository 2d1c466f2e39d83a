"""What befalls single tasks: their processes die or stop, Slurm or a person ends, requeues or suspends them."""

import signal
import subprocess
import time

from scripts.bench.storm.runs import STEPS
from scripts.bench.storm.seen import Process, ask, kill, processes
from scripts.bench.storm.state import Fault, Kind, Storm
from slurm.record.files import names

SIGNALLED = r"\bstopped\b.*SIGTERM|requeue"  # the task was asked to stop, and says so itself


def kill_worker(storm: Storm) -> Fault | None:
    """A decoder dies over its item: the worker process is gone, the task goes on with another one."""
    found = storm.a_process("worker")
    if found is None or not kill(found[1].pid, signal.SIGKILL):
        return None
    storm.killed_workers.add(found[1].pid)
    return Fault("kill_worker", time.time(), f"worker {found[1].pid} of {found[0].name}")


def kill_task(storm: Storm) -> Fault | None:
    """Somebody, or the kernel short of memory, kills the task's Python: Slurm says FAILED, signal 9."""
    found = storm.a_process("task")
    if found is None or not kill(found[1].pid, signal.SIGKILL):
        return None
    return Fault("kill_task", time.time(), f"task {found[1].pid}", [found[0].name])


def kill_stepd(storm: Storm) -> Fault | None:
    """Slurm's own daemon over the task dies; what it watched lives on for a while, as on a node without cgroups."""
    found = storm.a_process("stepd")
    if found is None:
        return None
    left = [process for process in processes() if process.raw == found[1].raw and process.role != "stepd"]
    if not kill(found[1].pid, signal.SIGKILL):
        return None
    storm.after(storm.chance.uniform(0, 4), lambda: end_orphans(left))
    return Fault("kill_stepd", time.time(), f"slurmstepd {found[1].pid}", [found[0].name])


def end_orphans(left: list[Process]) -> None:
    """Ends those of these processes that are still what they were."""
    there = set(processes())
    for process in left:
        if process in there:
            kill(process.pid, signal.SIGKILL)


def cancel(storm: Storm) -> Fault | None:
    """Somebody cancels a running task: it is asked to stop, flushes, and does not come back by itself."""
    task = storm.a_task()
    if task is None:
        return None
    ask("scancel", task.id)
    return Fault("cancel", time.time(), f"task {task.name}", [task.name])


def cancel_waiting(storm: Storm) -> Fault | None:
    """Somebody cancels a task that waits: nothing of it ever starts."""
    task = storm.a_task("PENDING")
    if task is None:
        return None
    ask("scancel", "--state=PENDING", task.id)
    return Fault("cancel_waiting", time.time(), f"task {task.name}", [task.name])


def requeue(storm: Storm) -> Fault | None:
    """An administrator puts a running task back into the queue."""
    task = storm.a_task()
    if task is None:
        return None
    ask("scontrol", "requeue", task.id)
    return Fault("requeue", time.time(), f"task {task.name}", [task.name])


def preempt(storm: Storm) -> Fault | None:
    """Somebody more important takes a node for some seconds: Slurm requeues what ran there."""
    task = storm.a_task()
    if task is None or not task.node.startswith("cpu"):
        return None
    fault = Fault("preempt", time.time(), f"node {task.node}", storm_tasks_on(task.node))
    seconds = storm.chance.randint(2, 5)
    options = ("-p", "urgent", f"-w{task.node}", "-c", "4", "--mem=3000", "-o", "/dev/null", "-J", "urgent")
    ask("sbatch", *options, "--wrap", f"sleep {seconds}")
    fault.over = time.time() + 15
    return fault


def storm_tasks_on(node: str) -> list[str]:
    """The names of the storm's tasks that run on a node."""
    from scripts.bench.storm.seen import tasks

    return [task.name for task in tasks("RUNNING,SUSPENDED,COMPLETING") if task.node == node]


def suspend(storm: Storm) -> Fault | None:
    """An administrator suspends a task, sometimes for longer than an item may take, and resumes it."""
    task = storm.a_task()
    if task is None:
        return None
    ask("scontrol", "suspend", task.id)
    storm.after(storm.chance.choice([2, 4, 8, 16]), lambda: ask("scontrol", "resume", task.id))
    return Fault("suspend", time.time(), f"task {task.name}")


def stop_task(storm: Storm) -> Fault | None:
    """A task's Python stands still for a while (SIGSTOP; a shared filesystem that hangs looks the same)."""
    return _stopped(storm, "task", [1, 3, 6, 16])


def stop_worker(storm: Storm) -> Fault | None:
    """A worker stands still for some seconds."""
    return _stopped(storm, "worker", [1, 2, 4])


def _stopped(storm: Storm, role: str, seconds: list[int]) -> Fault | None:
    found = storm.a_process(role)
    if found is None or not kill(found[1].pid, signal.SIGSTOP):
        return None
    storm.after(storm.chance.choice(seconds), lambda: kill(found[1].pid, signal.SIGCONT))
    return Fault(f"stop_{role}", time.time(), f"{role} {found[1].pid} of {found[0].name}")


def crash(storm: Storm) -> Fault | None:
    """An item crashes its worker, the first time."""
    return _poisoned(storm, "crash")


def hang(storm: Storm) -> Fault | None:
    """An item takes for ever, the first time: it is given up after items.timeout_s."""
    return _poisoned(storm, "hang")


def eat(storm: Storm) -> Fault | None:
    """An item eats memory, the first time: its worker's (`items.mem_gb`), or its task's, which Slurm then kills."""
    return _poisoned(storm, "eat")


def _poisoned(storm: Storm, fault: str) -> Fault | None:
    """An order for an item that nobody began yet."""
    run = storm.a_run()
    if run is None:
        return None
    for step in STEPS:
        begun = set(names(run.folder / step / "calls"))
        left = [item for item in run.items if item not in begun and item not in run.by_design.get(step, {})]
        if left:
            item = storm.chance.choice(left)
            file = run.order(step, item, fault, once=True)
            kind = fault
            if fault == "eat":
                kind = "eat_task" if run.shape == "little memory" else "eat_item"
                run.by_design[step][item] |= set() if kind == "eat_task" else {"item_crashed"}
            made = Fault(kind, time.time(), f"{run.name}/{step} {item}")
            if kind == "eat_task":
                storm.eaten.append((file, run, step, item, made))
            return made
    return None


def note_eaten(storm: Storm) -> None:
    """Notes which task an item takes down that has begun to eat its memory."""
    for order in list(storm.eaten):
        file, run, step, item, fault = order
        if file.exists():
            continue
        storm.eaten.remove(order)
        begins = run.begins(step, item)
        pids = {pid for begin in begins[-1:] for pid in begin}
        raw = {process.raw for process in processes() if process.pid in pids}
        from scripts.bench.storm.seen import tasks

        fault.hit = [task.name for task in tasks("RUNNING,COMPLETING") if task.raw in raw]
        fault.at = time.time()
        fault.over = fault.at + 12


def start_requeued() -> None:
    """Lets requeued tasks start at once instead of after Slurm's two minutes."""
    from scripts.bench.storm.seen import tasks

    for task in tasks("PENDING"):
        if task.reason == "BeginTime":
            subprocess.run(
                ["scontrol", "update", f"jobid={task.id}", "StartTime=now"], capture_output=True, check=False
            )


# of requeued tasks, too: Slurm may kill the next run of one for what is left of the last, whose daemon is gone
KILLED = r"\bkilled\b|signal 9|:9\b|out_of_memory"
KINDS = {
    "kill_worker": Kind(kill_worker, 20),
    "kill_task": Kind(kill_task, 10, KILLED),
    "kill_stepd": Kind(kill_stepd, 4, r"stepd|silent|node_fail|NODE_FAIL|" + SIGNALLED + "|" + KILLED, by_cluster=True),
    "cancel": Kind(cancel, 5, r"cancelled|CANCELLED|" + SIGNALLED, by_cluster=True),
    "cancel_waiting": Kind(cancel_waiting, 1, r"cancelled|CANCELLED", by_cluster=True),
    "requeue": Kind(requeue, 6, r"preempted|" + SIGNALLED + "|" + KILLED, by_cluster=True),
    "preempt": Kind(preempt, 1.5, r"preempted|" + SIGNALLED + "|" + KILLED, by_cluster=True),
    "suspend": Kind(suspend, 5),
    "stop_task": Kind(stop_task, 6),
    "stop_worker": Kind(stop_worker, 8),
    "crash": Kind(crash, 4),
    "hang": Kind(hang, 1.5),
    "eat": Kind(eat, 4),
    "eat_task": Kind(eat, 0, r"out_of_memory|" + KILLED),
    "eat_item": Kind(eat, 0),
}
