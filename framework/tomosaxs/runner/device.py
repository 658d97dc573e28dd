"""Blocks for plugins that compute on a GPU: one device per rank, chosen by its place on the node."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.communicator import Communicator
from tomosaxs.errors import InputError


def to_device(block: Any, package: str, comm: Communicator) -> Any:
    """Return the block as an array of `package` (``cupy`` or ``torch``) on this rank's device.

    Raises
    ------
    InputError
        When the package is not installed or finds no device.
    """
    try:
        library = importlib.import_module(package)
    except ImportError as error:
        raise InputError(f"it computes on a GPU and needs {package}, which is not installed") from error
    count = library.cuda.device_count() if package == "torch" else library.cuda.runtime.getDeviceCount()
    if count < 1:
        raise InputError("it computes on a GPU and this machine has none")
    number = comm.node_rank % count
    if package == "torch":
        if not isinstance(block, np.ndarray):
            return library.from_dlpack(block).to(f"cuda:{number}")
        return library.as_tensor(block, device=f"cuda:{number}")
    library.cuda.Device(number).use()
    return library.asarray(block)


def from_device(array: Any) -> NDArray[Any] | Any:
    """Return an array in main memory; what is there already is returned as it is."""
    if isinstance(array, np.ndarray) or array is None:
        return array
    if hasattr(array, "get") and hasattr(array, "__cuda_array_interface__"):
        return array.get()
    if hasattr(array, "detach"):
        return array.detach().cpu().numpy()
    return array
