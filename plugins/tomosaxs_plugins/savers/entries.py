"""Index of the savers: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "nexus",
        "tomosaxs_plugins.savers.nexus:nexus",
        "Write result.nxs: every saved dataset, every estimate and how they came about, in NeXus.",
        kind="saver",
        words="NeXus HDF5 h5 output NXtomoproc NXcanSAS compression",
    ),
    PluginEntry(
        "tiff_stack",
        "tomosaxs_plugins.savers.tiff_stack:tiff_stack",
        "Save every slice as a TIFF image, numbered by its place in the full, uncropped data.",
        needs=("tifffile", "numba"),
        install="pip install tifffile numba",
        words="TIFF images export 8 bit 16 bit ImageJ Avizo stack",
    ),
    PluginEntry(
        "tiff_volume",
        "tomosaxs_plugins.savers.tiff_volume:tiff_volume",
        "Save a volume as one TIFF file with a page a slice, above 4 GB as BigTIFF.",
        words="TIFF multi-page multipage BigTIFF images export 8 bit 16 bit ImageJ stack",
    ),
    PluginEntry(
        "raw_volume",
        "tomosaxs_plugins.savers.raw_volume:raw_volume",
        "Save a volume as volume.vol (float32) or volume.raw (8 and 16 bit), with its .info and .xml beside it.",
        words="vol raw PyHST2 HST vol.info ImageJ export binary 8 bit 16 bit",
    ),
    PluginEntry(
        "ome_zarr",
        "tomosaxs_plugins.savers.ome_zarr:ome_zarr",
        "Save a volume as OME-Zarr: in chunks and at several resolutions, with voxel sizes.",
        needs=("zarr", "numba"),
        install="pip install 'tomosaxs[zarr]'",
        words="NGFF zarr multiscale pyramid napari Fiji neuroglancer chunks export",
    ),
    PluginEntry(
        "chi",
        "tomosaxs_plugins.savers.chi:chi",
        "Write every curve as a .chi file: four lines of header, then columns, as FIT2D does.",
        kind="saver",
        words="SAXS WAXS curves text FIT2D saxsdog export ASCII",
    ),
    PluginEntry(
        "text_curves",
        "tomosaxs_plugins.savers.text_curves:text_curves",
        "Write every curve as text: q, intensity and standard uncertainty, as SasView and ATSAS read it.",
        kind="saver",
        words="SAXS WAXS curves dat columns SasView ATSAS PRIMUS export ASCII",
    ),
    PluginEntry(
        "curve_plot",
        "tomosaxs_plugins.savers.curve_plot:curve_plot",
        "Plot the curves of the result: one picture of some, or one a frame.",
        needs=("matplotlib",),
        install="pip install 'tomosaxs[plot]'",
        kind="saver",
        words="SAXS WAXS curves PNG SVG PDF picture matplotlib",
    ),
)
