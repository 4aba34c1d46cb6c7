"""Two machines, as two network namespaces; one is lost in mid-run, comes back, and all go on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_launchers import curve, launch, training_flags

pytestmark = pytest.mark.timeout(900)

STEPS = 16
ADDRESSES = {"a": "10.77.0.1", "b": "10.77.0.2"}
UNIQUE = f"whisper{os.getpid() % 10_000}"  # interfaces have names of at most 15 letters


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)


def processes(node: str) -> list[int]:
    found = subprocess.run(
        ["ip", "netns", "pids", f"{UNIQUE}{node}"], capture_output=True, text=True
    )
    return [int(word) for word in found.stdout.split()]


def power_off(node: str) -> None:
    """End a node and all that runs on it at once, without a chance to say goodbye."""
    while left := processes(node):
        for process in left:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.1)


@pytest.fixture
def network() -> Iterator[None]:
    """Two namespaces with a cable between them."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    a, b = (f"{UNIQUE}{node}" for node in ADDRESSES)
    try:
        ip("netns", "add", a)
        ip("netns", "add", b)
        ip("link", "add", a, "netns", a, "type", "veth", "peer", "name", b, "netns", b)
    except subprocess.CalledProcessError as error:
        for name in (a, b):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    for node, address in ADDRESSES.items():
        name = f"{UNIQUE}{node}"
        ip("-n", name, "addr", "add", f"{address}/24", "dev", name)
        ip("-n", name, "link", "set", name, "up")
        ip("-n", name, "link", "set", "lo", "up")
    yield
    for node in ADDRESSES:
        power_off(node)
        ip("netns", "del", f"{UNIQUE}{node}")


def start(node: str, repository: Path, log: Path, flags: list[str]) -> subprocess.Popen[bytes]:
    """Type the command of docs/distributed.md on a node."""
    environment = {
        **os.environ,
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "GLOO_SOCKET_IFNAME": f"{UNIQUE}{node}",
    }
    command = [
        *["ip", "netns", "exec", f"{UNIQUE}{node}"],
        *[sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1"],
        *["--max_restarts=10", "--rdzv_backend=c10d", "--rdzv_id=run1"],
        f"--rdzv_endpoint={ADDRESSES['a']}:29400",
        f"--rdzv_conf=is_host={int(node == 'a')}",
        f"--local_addr={ADDRESSES[node]}",
        *["finetune.py", *flags, "--resume_from_checkpoint=auto"],
    ]
    with open(log, "ab") as file:
        return subprocess.Popen(
            command, cwd=repository, env=environment, stdout=file, stderr=subprocess.STDOUT
        )


def run_flags(model: Path, data: Path, output: Path, batch: int) -> list[str]:
    """Long enough to lose a machine in between."""
    own = {"max_steps": STEPS, "eval_steps": 100, "eval_on_start": False, "save_steps": 2}
    changed = [f"--{name}={value}" for name, value in {**own, "num_workers": 0}.items()]
    return [*training_flags(model, data, output, batch), *changed]


def test_a_node_that_is_lost_and_comes_back_finds_its_place(
    network: None, repository: Path, tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    flags = run_flags(tiny_model, speech_manifest, tmp_path / "two", batch=2)
    logs = {node: tmp_path / f"{node}.log" for node in ADDRESSES}
    nodes = {node: start(node, repository, logs[node], flags) for node in ADDRESSES}
    run = tmp_path / "two" / "tiny"
    deadline = time.monotonic() + 300
    while not (run / "checkpoint-4" / "trainer_state.json").is_file():
        assert time.monotonic() < deadline, logs["a"].read_text()[-3000:]
        time.sleep(0.05)
    power_off("b")
    assert nodes["b"].wait(60) == -signal.SIGKILL
    nodes["b"] = start("b", repository, logs["b"], flags)
    for node, process in nodes.items():
        assert process.wait(400) == 0, logs[node].read_text()[-3000:]
    said = logs["a"].read_text() + logs["b"].read_text()
    assert said.count("compute      2 processes, DDP, float32") == 2  # before and after the loss
    assert (run / "checkpoint-final").is_dir()
    flags = run_flags(tiny_model, speech_manifest, tmp_path / "one", batch=4)
    launch("one", repository, "finetune.py", flags)
    assert curve(run) == pytest.approx(curve(tmp_path / "one" / "tiny"), rel=1e-4)
