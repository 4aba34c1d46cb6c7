"""How fast large manifests are opened, checked and packed, and how much memory that takes.

    python benchmarks/data_scale.py                                  # half an hour, 3 GB of disk
    python benchmarks/data_scale.py --lines=10000,1000000            # three minutes

Makes manifests of 10 thousand, 1 million and 10 million lines in a temporary folder, and some FLAC
files. Each measurement runs in a process of its own: opening a manifest for the first time and for
the second, walking through its lines, checking what it says, checking it with its sounds, packing
them into tars; and starting a run of two processes, up to the end of its first step. Writes
benchmarks/results/data_scale.json (the machine, every single measurement) and the tables in
docs/validation.md. Lines a second of processor time do not depend on what else the machine does.
With --started=0, or with --lines=0 --clips=0, a part stays as it was measured before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, read_measured, write_measured
from benchmarks.report_scale import machine
from benchmarks.scale.made import write_clips, write_lines
from benchmarks.scale.start import start, write_run_data
from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings

# What is measured on each manifest of lines: its name, and what `measure` is asked for.
ON_LINES = {"opened": "open", "opened again": "open", "walked through": "walk", "checked": "check"}
ON_CLIPS = {"checked with sound": "listen", "packed": "pack"}


@dataclass(frozen=True)
class BenchSettings:
    """What is measured."""

    lines: tuple[int, ...] = (10_000, 1_000_000, 10_000_000)
    """Lines of the manifests."""
    checked: int = 10_000_000
    """Manifests of more lines are opened and walked through only."""
    started: tuple[int, ...] = (1_000_000,)
    """Lines of the manifests with which a run is started."""
    processes: int = 2
    """Processes of that run."""
    clips: int = 2000
    """FLAC files that are checked with their sound, and packed."""
    clip_seconds: float = 10.0
    """How long each lasts."""
    workers: int = 0
    """Processes; 0 for one a core."""
    seed: int = 0
    """Of texts and sounds."""
    folder: str | None = None
    """Where the manifests are made, and removed from; None for the system's temporary folder."""
    output: str = "benchmarks/results/data_scale.json"
    """File for the measurements."""
    page: str | None = "docs/validation.md"
    """The page whose table is written anew; None leaves it."""
    table: bool = False
    """Print the table of docs/validation.md from --output; nothing is measured."""


def main(argv: Sequence[str] | None = None) -> None:
    """Make the data, measure, write."""
    settings = parse_settings(BenchSettings, argv, prog="data_scale.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    if settings.table:
        earlier = read_measured(settings.output)
        say(f"{table(earlier)}\n{start_table(earlier)}")
        return
    found: dict[str, Any] = {"schema": 1, "machine": machine(), "measured": [], "started": []}
    if Path(settings.output).is_file():  # what is not measured anew stays
        found |= {n: read_measured(settings.output).get(n, []) for n in _kept(settings)}
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        for measured in _measurements(settings, Path(folder)):
            say(table_line(measured))
            found["measured"].append(measured)
            write_measured(settings.output, found)
        for measured in _starts(settings, Path(folder)):
            say(start_line(measured))
            found["started"].append(measured)
            write_measured(settings.output, found)
    if settings.page:
        page = Path(settings.page).read_text(encoding="utf-8")
        for name, made in (("bench-data", table(found)), ("starts", start_table(found))):
            before, after = around_table(page, name)
            page = before + made + after
        with atomic_write(settings.page) as handle:
            handle.write(page)
        say(f"wrote the tables in {settings.page}")


def _kept(settings: BenchSettings) -> list[str]:
    """Name what of an earlier file stays, because nothing of its kind is asked for."""
    kept = [] if any(settings.lines) or settings.clips else ["machine", "measured"]
    return kept if any(settings.started) else [*kept, "started"]


def _starts(settings: BenchSettings, folder: Path) -> Iterator[dict[str, Any]]:
    """Start a run, and start it again, with each number of lines."""
    for lines in filter(None, settings.started):
        place = folder / str(lines)
        place.mkdir()
        train, dev = write_run_data(place, lines, settings.seed)
        for name in ("first start", "second start"):
            load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
            measured = start(train, dev, place, settings.processes)
            yield {"name": name, "lines": lines, "load": load, **measured}


def _measurements(settings: BenchSettings, folder: Path) -> Iterator[dict[str, Any]]:
    workers = settings.workers or os.cpu_count() or 1
    if settings.clips:
        clips = write_clips(folder, settings.clips, settings.clip_seconds, settings.seed)
    for name, what in ON_CLIPS.items() if settings.clips else ():
        yield {"name": name, **measure(what, clips, workers, folder)}
    for number in filter(None, settings.lines):
        manifest = folder / "lines.jsonl"
        write_lines(manifest, number, settings.seed)
        for name, what in ON_LINES.items():
            if what == "check" and number > settings.checked:
                continue
            measured = measure(what, manifest, workers, folder)
            yield {"name": name, "bytes_of_manifest": manifest.stat().st_size, **measured}
        manifest.unlink()


def measure(what: str, manifest: Path, workers: int, folder: Path) -> dict[str, Any]:
    """Run one measurement in a process of its own, with a cache folder that it finds empty.

    The second opening of a manifest finds the index of the first: the folder is the data's.
    """
    command = [sys.executable, "-m", "benchmarks.scale.measure", what, str(manifest), str(workers)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"workers": workers, **measured}


END = "<!-- end -->\n"
HEADER = (
    "| | lines | seconds | lines a second | lines a second of a core | MB/s | memory (MB) |\n"
    "|---|---:|---:|---:|---:|---:|---:|\n"
)


START_HEADER = (
    "| | lines | processes | seconds to the first step | processor seconds of all "
    "| memory of one (MB) | with mapped files (MB) | load before |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|\n"
)


def around_table(page: str, name: str) -> tuple[str, str]:
    """Return what stands before and after a table on a page."""
    begin = f"<!-- {name} -->\n"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return before + begin, END + after


def start_table(found: Mapping[str, Any]) -> str:
    """Return the starts of runs as Markdown."""
    return START_HEADER + "".join(f"{start_line(each)}\n" for each in found["started"])


def start_line(measured: Mapping[str, Any]) -> str:
    """Return the start of a run as a line of the second table in docs/validation.md."""
    load = "" if measured["load"] is None else f"{measured['load']:.1f}"
    return (
        f"| {measured['name']} | {measured['lines']:,} | {measured['processes']} "
        f"| {measured['seconds']:.0f} | {measured['processor_seconds']:.0f} "
        f"| {measured['own_bytes'] / 1e6:.0f} | {measured['resident_bytes'] / 1e6:.0f} | {load} |"
    )


def table(found: Mapping[str, Any]) -> str:
    """Return all measurements as Markdown."""
    lines = [f"{table_line(measured)}\n" for measured in found["measured"]]
    busy = found["machine"]["load_average"]
    load = f", load {busy[0]:.1f} at the start" if busy else ""
    return f"On {found['machine']['cores']} cores{load}:\n\n{HEADER}{''.join(lines)}"


def table_line(measured: Mapping[str, Any]) -> str:
    """Return a measurement as a line of the table in docs/validation.md."""
    lines = measured["lines"]
    size = measured.get("bytes_of_files", measured.get("bytes_of_manifest", 0))
    return (
        f"| {measured['name']} | {lines:,} | {measured['seconds']:.1f} "
        f"| {lines / measured['seconds']:,.0f} | {lines / measured['processor_seconds']:,.0f} "
        f"| {size / measured['seconds'] / 1e6:.1f} | {measured['all_own_bytes'] / 1e6:.0f} |"
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
