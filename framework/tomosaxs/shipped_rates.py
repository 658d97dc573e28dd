"""Rates of a reference machine, for machines that have not run anything yet: one core of an AMD EPYC with AVX-512.

Processor seconds of one thread on scans of 541 x 96 x 480 and 60 frames of 768 x 768, so that it does not matter what
else the machine did; of iterations on 8 slices of 401 x 288. Of every rate: work, seconds of all ranks, threads of a
rank, ranks of a node, slices of a block.
"""

from __future__ import annotations

SHIPPED: dict[str, list[tuple[float, float, int, int, float]]] = {
    "dark_flat_correction": [(1.5e8, 0.56, 1, 1, 16.0)],
    "minus_log": [(2.0e8, 0.18, 1, 1, 16.0)],
    "find_rotation_axis method=auto": [(9.35e6, 0.67, 1, 1, 10.0)],
    "retrieve_phase": [(1.94e8, 1.51, 1, 1, 16.0)],
    "reconstruct backend=tomosaxs algorithm=gridding": [(1.72e9, 0.39, 1, 1, 16.0)],
    "reconstruct backend=tomosaxs algorithm=backproject": [(1.04e10, 3.9, 1, 1, 16.0)],
    "reconstruct backend=tomosaxs algorithm=sirt": [(2.66e9, 0.61, 1, 1, 4.0)],
    "reconstruct backend=tomosaxs algorithm=cgls": [(2.66e9, 0.76, 1, 1, 4.0)],
    "reconstruct backend=tomosaxs algorithm=fista_tv": [(2.66e9, 1.19, 1, 1, 4.0)],
    "azimuthal_integrate backend=tomosaxs error_model=poisson": [(1.04e8, 0.07, 1, 1, 16.0)],
    "first call: reconstruct backend=tomosaxs algorithm=gridding": [(1.0, 0.15, 1, 1, 0.0)],
    "first call: azimuthal_integrate backend=tomosaxs error_model=poisson": [(1.0, 1.4, 1, 1, 0.0)],
    "read": [(5e7, 0.09, 1, 1, 0.0)],
    "write": [(8.85e7, 0.25, 1, 1, 0.0)],
    "exposed": [(0.5, 0.08, 1, 1, 0.0)],
    "start": [(1.0, 1.8, 1, 1, 0.0)],
    "finish": [(1.0, 0.5, 1, 1, 0.0)],
}
