"""Lets the tests of this folder import the helpers beside them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def quick_collections() -> Iterator[None]:
    """Keep what exists out of the garbage collections that pyFAI asks for whenever a geometry is set.

    Beside a compiler and a whole test suite each of them takes as long as some ten thousand pixels of its own work.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
