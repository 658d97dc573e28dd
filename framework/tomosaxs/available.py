"""Memory that this machine, container or job can still give."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SHARE = 0.5
"""Of what is available, the part that blocks take unless ``--memory`` says else."""
_GROUPS = Path("/sys/fs/cgroup")


def available_memory(
    environment: Mapping[str, str] = os.environ, meminfo: Path = Path("/proc/meminfo"), groups: Path = _GROUPS,
    own: Path = Path("/proc/self/cgroup"),
) -> float:  # fmt: skip
    """Return the bytes that can still be had on this node: the least of what anybody says.

    Asked are the system, the control groups of this process and those above it (containers, batch jobs: their limit
    less what is used and cannot be taken back), and SLURM (``SLURM_MEM_PER_NODE``, ``SLURM_MEM_PER_CPU``).
    """
    limits = [float(line.split()[1]) * 1024 for line in _lines(meminfo) if line.startswith("MemAvailable:")]
    limits.extend(_of_groups(groups, own))
    limits.extend(_of_slurm(environment))
    if not limits:
        limits.append(float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES") * 0.5)
    return max(min(limits), 0.0)


def _of_groups(root: Path, own: Path) -> list[float]:
    """Return what the control groups leave, of both versions."""
    found = []
    for line in [*_lines(own), "0::/"]:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        first = controllers.split(",") == ["memory"] or "memory" in controllers.split(",")
        if controllers and not first:
            continue
        place = (root / "memory" if controllers else root) / path.strip("/")
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        while True:
            found.extend(_left(place, *names))
            if place in (root, root / "memory") or root not in place.parents:
                break
            place = place.parent
    found.extend(_left(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
    return found


def _left(group: Path, limit: str, used: str, cache: str) -> list[float]:
    most = "".join(_lines(group / limit)).strip()
    if not most.isdigit() or int(most) >= 1 << 62:  # "max", or version 1's way to say so
        return []
    taken = "".join(_lines(group / used)).strip()
    spare = [line.split()[1] for line in _lines(group / "memory.stat") if line.startswith(f"{cache} ")]
    held = (int(taken) if taken.isdigit() else 0) - (int(spare[0]) if spare else 0)
    return [float(int(most) - max(held, 0))]


def _of_slurm(environment: Mapping[str, str]) -> list[float]:
    """Return what the batch system grants this job on the node, which it counts in MB (2^20 bytes)."""
    if not environment.get("SLURM_JOB_ID"):
        return []
    node = environment.get("SLURM_MEM_PER_NODE", "")
    if node.isdigit() and int(node):
        return [float(node) * 2**20]
    each, cores = environment.get("SLURM_MEM_PER_CPU", ""), environment.get("SLURM_CPUS_ON_NODE", "")
    return [float(each) * int(cores) * 2**20] if each.isdigit() and int(each) and cores.isdigit() else []


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
