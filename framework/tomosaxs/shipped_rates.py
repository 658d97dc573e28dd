"""Rates of a reference machine, for machines that have not run anything yet: two cores of an AMD EPYC with AVX-512.

Of every rate (work, seconds of all ranks, threads of a rank, ranks of the node, slices of a block).
"""

from __future__ import annotations

SHIPPED: dict[str, list[tuple[float, float, int, int, float]]] = {}
