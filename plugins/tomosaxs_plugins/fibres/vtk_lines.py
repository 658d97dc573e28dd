"""Fibres as VTK PolyData: a straight line each, with every quantity to colour it by; no framework.

The file is the XML form of VTK (``.vtp``), arrays in base64 without compression. Format: VTK File Formats,
https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.table import Floats

_TYPES = {"f8": "Float64", "i8": "Int64"}


def lines_vtp(centres: Floats, directions: Floats, lengths: Floats, arrays: Sequence[tuple[str, NDArray[Any]]]) -> str:
    """Return a .vtp file with one line a fibre.

    Parameters
    ----------
    centres : (n, 3) float array
        Middles of the lines.
    directions : (n, 3) float array
        Unit vectors along them.
    lengths : (n,) float array
        Lengths, in the units of `centres`.
    arrays : sequence of (name, (n,) array)
        Quantities; floats or integers. They are data of the cells and of the points: filters such as Tube take one or
        the other.
    """
    count = len(centres)
    half = 0.5 * lengths[:, None] * directions
    points = np.stack([centres - half, centres + half], axis=1).reshape(-1, 3)
    each = [("direction", directions), *arrays]
    cells = "".join(_array(name, values) for name, values in each)
    ends = "".join(_array(name, np.repeat(values, 2, axis=0)) for name, values in each)
    connectivity = _array("connectivity", np.arange(2 * count))
    offsets = _array("offsets", 2 * np.arange(1, count + 1))
    first = quoteattr(_plain(arrays[0][0])) if arrays else '""'
    return (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n<PolyData>\n'
        f'<Piece NumberOfPoints="{2 * count}" NumberOfVerts="0" NumberOfLines="{count}" NumberOfStrips="0" '
        'NumberOfPolys="0">\n'
        f"<PointData Scalars={first}>\n{ends}</PointData>\n<CellData Scalars={first}>\n{cells}</CellData>\n"
        f"<Points>\n{_array('Points', points)}</Points>\n<Lines>\n{connectivity}{offsets}</Lines>\n"
        "</Piece>\n</PolyData>\n</VTKFile>\n"
    )


def _plain(name: str) -> str:
    """Return a name that ParaView's calculator can use: letters, digits and _."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _array(name: str, values: NDArray[Any]) -> str:
    whole = values.dtype.kind in "biu"
    stored = np.ascontiguousarray(values, dtype="<i8" if whole else "<f8")
    components = f' NumberOfComponents="{stored.shape[1]}"' if stored.ndim == 2 else ""
    # a block is its length in bytes and the bytes, in one piece of base64
    block = np.uint64(stored.nbytes).astype("<u8").tobytes() + stored.tobytes()
    text = base64.b64encode(block).decode("ascii")
    kind = _TYPES[stored.dtype.str[1:]]
    return f'<DataArray type="{kind}" Name={quoteattr(_plain(name))}{components} format="binary">{text}</DataArray>\n'
