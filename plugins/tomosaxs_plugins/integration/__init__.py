"""Azimuthal integration: detector geometry, calibrations, masks, backends and the plugins.

For notebooks::

    from tomosaxs_plugins.integration import read_geometry, read_mask

    geometry = read_geometry("calibration.poni")
    q, intensity, sigma = geometry.integrate(image, mask=read_mask("mask.msk"))
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomosaxs_plugins.integration.geometry import DetectorGeometry

__all__ = ["read_geometry", "read_mask"]


def read_geometry(
    calibration: str | Path | Mapping[str, Any], shape: tuple[int, int] | None = None
) -> DetectorGeometry:
    """Read a calibration: a .poni file, saxsdog's JSON, a FIT2D log, NeXus (DAWN), or named numbers.

    Parameters
    ----------
    shape : (rows, columns), optional
        Of the detector, where the file needs it but does not give it.

    Raises
    ------
    InputError
        Naming the file, what was found and what is expected.
    """
    from tomosaxs_plugins.integration.calibration import read_calibration

    return read_calibration(calibration if isinstance(calibration, Mapping) else Path(calibration), shape)


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask file (.npy, FIT2D .msk, EDF, TIFF, NeXus): True where a pixel is not to be used.

    Raises
    ------
    ValueError, OSError
        When the file is no mask or cannot be read.
    """
    from tomosaxs_plugins.integration import masks

    return masks.read_mask(Path(path))
