r"""Load on infer_server.py: answers under many clients, bad requests, a killed worker, a stop.

Short:   python benchmarks/server_load.py --seconds=10
Whole:   python benchmarks/server_load.py --clients=8,32,50,128,200 --seconds=300 \
             --bad_requests=10000

It starts the server itself, on the loopback. Each client sends one clip of the bundled corpora
after another, and each answer is compared with the clip's own text, asked for beforehand: none may
be another's. Answers are counted by status; 429 and 503 are refusals, 500 is a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, write_measured
from utils.cli.console import say
from utils.cli.errors import Failure, run_script
from utils.cli.flags import parse_settings
from utils.manifest.read import read_manifest

START_SECONDS = 300
BOUNDARY = "load-boundary"


@dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """How much load, for how long."""

    model_path: str = "demo/base"
    """Model to serve."""
    clients: tuple[int, ...] = (8, 32, 50)
    """Numbers of concurrent clients, one after another."""
    seconds: float = 20.0
    """Seconds of each number of clients."""
    bad_requests: int = 1000
    """Requests that are damaged in some way."""
    num_workers: int = 2
    """Processes that recognise."""
    num_clips: int = 20
    """Clips that are sent, half of each bundled corpus."""
    seed: int = 0
    """Seed of the order of clips and of the damage."""
    output: str = "benchmarks/results/server_load.json"
    """File for the results."""


class Server:
    """infer_server.py in a process."""

    def __init__(self, settings: LoadSettings, said: Path) -> None:
        command = [sys.executable, "infer_server.py", f"--model_path={settings.model_path}"]
        command += ["--port=0", f"--num_workers={settings.num_workers}", "--max_requests=1024"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self.said = said
        with open(said, "wb") as file:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"at http://([\d.]+):(\d+)", said.read_text("utf-8"))):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise Failure(f"the server did not start: {said.read_text('utf-8')}")
            time.sleep(0.1)
        self.host, self.port = found[1], int(found[2])

    def memory(self) -> int:
        """Bytes of all its processes; what they share is counted once for each."""
        root = psutil.Process(self.process.pid)
        each = [root, *root.children(recursive=True)]
        return sum(process.memory_info().rss for process in each if process.is_running())

    def workers(self) -> list[psutil.Process]:
        """The processes that answered most: those that hold the models."""
        root = psutil.Process(self.process.pid)
        children = [each for each in root.children(recursive=True) if not each.children()]
        return sorted(children, key=lambda each: -each.cpu_times().user)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request over a connection of its own: status (0: no answer) and body."""
        writer = None
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            writer.write(request)
            await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 120)
        except (OSError, asyncio.TimeoutError):
            return 0, b""
        finally:
            if writer is not None:
                writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        return (int(status[0]) if status and status[0].isdigit() else 0), body


def request_of(content: bytes, host: str) -> bytes:
    """A POST /recognition with a file."""
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
    ).encode()
    body += content + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        f"POST /recognition HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def damaged(request: bytes, draw: random.Random) -> bytes:
    """A request of which something is wrong."""
    head, _, body = request.partition(b"\r\n\r\n")
    kind = draw.randrange(8)
    if kind == 0:  # other bytes in place of some
        place = draw.randrange(len(body))
        body = body[:place] + draw.randbytes(40) + body[place + 40 :]
    elif kind == 1:  # cut off, and the length says so
        body = body[: draw.randrange(len(body))]
    elif kind == 2:
        head = head.replace(b"/recognition", draw.choice([b"/../etc/passwd", b"/%00", b"/nothing"]))
    elif kind == 3:
        head = head.replace(BOUNDARY.encode(), b"another")
    elif kind == 4:
        body = body.replace(b'name="audio"', b'name="\xff\xfe"')
    elif kind == 5:
        body = draw.randbytes(draw.randrange(2000))
    elif kind == 6:
        head = head.replace(b"POST", draw.choice([b"PUT", b"DELETE", b"PATCH", b"BREW"]))
    else:
        place = body.index(b"\r\n\r\n") + 4
        body = body[:place] + draw.randbytes(500) + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = re.sub(rb"Content-Length: \d+", f"Content-Length: {len(body)}".encode(), head)
    return head + b"\r\n\r\n" + body


@dataclass
class Load:
    """What clients saw."""

    seconds: float
    waits: list[float]
    statuses: Counter[int]
    mixed: int
    slowest_client: int
    memory_bytes: int

    def to_json(self, clients: int) -> dict[str, Any]:
        """As in the results."""
        return {
            "clients": clients,
            "answers": len(self.waits),
            "answers_a_second": round(len(self.waits) / self.seconds, 2),
            "p50": round(share(self.waits, 0.5), 4),
            "p95": round(share(self.waits, 0.95), 4),
            "statuses": {str(status): number for status, number in sorted(self.statuses.items())},
            "answers_of_another_clip": self.mixed,
            "fewest_answers_of_a_client": self.slowest_client,
            "memory_mb": round(self.memory_bytes / 1e6),
        }


def share(values: Sequence[float], part: float) -> float:
    """The value below which so great a part of them lies; NaN without any."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


async def load(
    server: Server, requests: Sequence[bytes], texts: Sequence[bytes], clients: int, seconds: float
) -> Load:
    """Let clients ask for some time; every one of them finishes its last request."""
    waits: list[float] = []
    statuses: Counter[int] = Counter()
    answered = [0] * clients
    mixed = 0
    begin = time.monotonic()

    async def ask_on(client: int) -> None:
        nonlocal mixed
        draw = random.Random(client)
        while time.monotonic() < begin + seconds:
            number = draw.randrange(len(requests))
            asked = time.monotonic()
            status, body = await server.ask(requests[number])
            statuses[status] += 1
            if status == 200:
                waits.append(time.monotonic() - asked)
                answered[client] += 1
                mixed += body != texts[number]
            elif status == 0 and server.process.poll() is not None:
                return
            elif status != 200:
                await asyncio.sleep(0.5)

    await asyncio.gather(*(ask_on(client) for client in range(clients)))
    lasted = time.monotonic() - begin
    return Load(lasted, waits, statuses, mixed, min(answered), server.memory())


async def bad(server: Server, requests: Sequence[bytes], number: int, seed: int) -> dict[str, int]:
    """Send damaged requests, sixteen at a time; the number of answers by status."""
    draw = random.Random(seed)
    statuses: Counter[int] = Counter()
    left = iter([damaged(draw.choice(requests), draw) for _ in range(number)])

    async def send() -> None:
        for request in left:
            statuses[(await server.ask(request))[0]] += 1

    await asyncio.gather(*(send() for _ in range(16)))
    return {str(status): count for status, count in sorted(statuses.items())}


async def killed(server: Server, requests: Sequence[bytes], texts: Sequence[bytes]) -> Any:
    """Kill a worker under eight clients."""
    running = asyncio.ensure_future(load(server, requests, texts, 8, 6.0))
    await asyncio.sleep(2.0)
    server.workers()[0].kill()
    return (await running).to_json(8)


async def stopped(server: Server, requests: Sequence[bytes]) -> dict[str, int]:
    """Stop the server with sixteen requests in progress; answers by status."""
    asked = [asyncio.ensure_future(server.ask(each)) for each in (list(requests) * 16)[:16]]
    await asyncio.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*asked)
    server.process.wait(120)
    return {str(s): n for s, n in sorted(Counter(status for status, _ in answers).items())}


async def measure(settings: LoadSettings, server: Server) -> dict[str, Any]:
    """All phases, one after another."""
    half = settings.num_clips // 2
    paths = [
        each.audio.path
        for name in ("zh", "en")
        for each in list(read_manifest(REPOSITORY / "demo" / name / "test.jsonl"))[:half]
    ]
    host = f"{server.host}:{server.port}"
    requests = [request_of(Path(path).read_bytes(), host) for path in paths]
    texts = [(await server.ask(request))[1] for request in requests]
    found: dict[str, Any] = {"machine": machine(), "model": settings.model_path, "loads": []}
    for clients in (1, *settings.clients):
        seen = await load(server, requests, texts, clients, settings.seconds)
        found["loads"].append(seen.to_json(clients))
        say(json.dumps(found["loads"][-1]))
    alone = found["loads"][0]["p95"]
    for each in found["loads"]:
        each["p95_over_one_alone"] = round(each["p95"] / alone, 2)
    found["bad_requests"] = await bad(server, requests, settings.bad_requests, settings.seed)
    say(f"bad requests: {found['bad_requests']}")
    found["worker_killed"] = await killed(server, requests, texts)
    say(f"worker killed: {found['worker_killed']['statuses']}")
    found["stopped"] = await stopped(server, requests)
    say(f"stopped: {found['stopped']}, exit code {server.process.returncode}")
    found["exit_code"] = server.process.returncode
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Start the server, load it, and write what was seen."""
    settings = parse_settings(
        LoadSettings, argv, prog="benchmarks/server_load.py", description=__doc__ or ""
    )
    with tempfile.TemporaryDirectory() as folder:
        server = Server(settings, Path(folder) / "said")
        try:
            found = asyncio.run(measure(settings, server))
        finally:
            if server.process.poll() is None:
                server.process.kill()
    write_measured(settings.output, found)
    say(f"wrote {settings.output}")
    return 0


if __name__ == "__main__":
    sys.exit(run_script(main))
