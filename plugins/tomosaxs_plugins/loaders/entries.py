"""Index of the loaders: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "tomography",
        "tomosaxs_plugins.loaders.tomography:tomography",
        "Load a tomography scan or a time series: NXtomo and its variants, Data Exchange, SOLEIL Flyscan, TIFF, EDF.",
        kind="loader",
        words="NeXus HDF5 nxs h5 input projections flats darks image_key APS ESRF Diamond folder images tif edf 4D",
    ),
    PluginEntry(
        "raster_map",
        "tomosaxs_plugins.loaders.raster_map:raster_map",
        "Load a raster scan: NXstxm, NXfluo or NXxrd, as beamlines write mapping tomography.",
        kind="loader",
        words="NeXus HDF5 nxs input mapping STXM fluorescence XRD SAXS tomography scan",
    ),
    PluginEntry(
        "scattering_scan",
        "tomosaxs_plugins.loaders.scattering_scan:scattering_scan",
        "Load a scattering scan of any rank: NXsas, NXxrd, I22 and DAWN files, one file or one a rotation angle.",
        kind="loader",
        words="NeXus HDF5 nxs input SAXS WAXS raster map tomography snake missing aborted several files detector",
    ),
    PluginEntry(
        "array",
        "tomosaxs_plugins.loaders.array:array",
        "Load any HDF5 dataset of numbers, of any rank, with axes named here.",
        kind="loader",
        words="HDF5 h5 input generic path sinogram volume",
    ),
    PluginEntry(
        "image_files",
        "tomosaxs_plugins.loaders.image_files:image_files",
        "Load images: one file, several, or a folder; TIFF, EDF, CBF, MarCCD and all else that fabio reads.",
        needs=("fabio",),
        install="pip install fabio",
        kind="loader",
        words="TIFF EDF CBF mccd img folder frames input detector Pilatus SAXS WAXS single image",
    ),
    PluginEntry(
        "result",
        "tomosaxs_plugins.loaders.result:result",
        "Load a dataset of an earlier result.nxs, or the default NXdata of another NeXus file.",
        kind="loader",
        words="NeXus input NXdata continue processed",
    ),
    PluginEntry(
        "load_estimate",
        "tomosaxs_plugins.loaders.load_estimate:load_estimate",
        "Take a value from the result of an earlier run, for instance its rotation axis or its grey-value limits.",
        kind="estimator",
        words="axis centre limits from file earlier run result reuse series",
    ),
)
