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


def stays_on_device(array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Return whether an array on a device is as planned, so that it can stay there for the next step."""
    if isinstance(array, np.ndarray) or not (hasattr(array, "__cuda_array_interface__") or hasattr(array, "detach")):
        return False
    return tuple(array.shape) == shape and str(array.dtype).rpartition(".")[2] == dtype.name


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device's memory is full (CuPy and PyTorch call it alike)."""
    return type(error).__name__ == "OutOfMemoryError"


def free_memory(package: str) -> None:
    """Give back what the package keeps for later."""
    library = importlib.import_module(package)
    if package == "torch":
        library.cuda.empty_cache()
    else:
        library.get_default_memory_pool().free_all_blocks()
