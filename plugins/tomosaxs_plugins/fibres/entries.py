"""Index of fibre reconstruction: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "azimuthal_library",
        "tomosaxs_plugins.fibres.azimuthal_library:AzimuthalLibrary",
        "Integrate every frame into bins of azimuth and q around one order of the fibres, with uncertainties.",
        needs=("numba",),
        install="pip install numba",
        words="SAXS TomoSAXS 3DXRD fibre collagen azimuth chi q cake chi_exp I(chi) library streak background",
    ),
)
