"""How many cores a process may use: not those of the machine, but those that it was given."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """Return the cores that this process may run on, at least 1.

    The affinity (taskset, Slurm) and the quota of the container (`docker --cpus`, Kubernetes
    limits), which the number of the machine's cores says nothing of.

    Args:
        quota_file: `cpu.max` of cgroup v2, "<microseconds> <period>" or "max <period>".
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else (os.cpu_count() or 1)
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        if quota != "max":
            cores = min(cores, int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # no such limit here
    return max(1, cores)
