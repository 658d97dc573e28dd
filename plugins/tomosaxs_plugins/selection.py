"""The middle of some values without sorting them, compiled (C. A. R. Hoare, DOI 10.1145/366622.366647).

numba's own partition takes ten seconds to compile.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tomosaxs_plugins.compiled import compiled


@partial(compiled, nogil=True)
def select_middle(values: Any, count: int) -> Any:
    """Return the value that would stand at ``count // 2`` if the first `count` were sorted; they change their order.

    Afterwards none before it is larger and none behind it is smaller.

    Parameters
    ----------
    values : (at least `count`,) float array
        Without NaN.
    count : int
    """
    low, high, middle = 0, count - 1, count // 2
    while low < high:
        pivot = values[(low + high) // 2]
        up, down = low, high
        while up <= down:
            while values[up] < pivot:
                up += 1
            while values[down] > pivot:
                down -= 1
            if up <= down:
                values[up], values[down] = values[down], values[up]
                up += 1
                down -= 1
        if middle <= down:
            high = down
        elif middle >= up:
            low = up
        else:
            break
    return values[middle]
