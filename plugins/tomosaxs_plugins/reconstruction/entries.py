"""Index of the reconstruction: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import BackendEntry, PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "reconstruct",
        "tomosaxs_plugins.reconstruction.reconstruct:reconstruct",
        "Reconstruct slices from sinograms with the backend that the list names.",
        words="FBP filtered backprojection gridrec SIRT CGLS tomography astra tomopy volume local interior roi",
    ),
    PluginEntry(
        "extend_field",
        "tomosaxs_plugins.reconstruction.extend_field:extend_field",
        "Make wide sinograms of a full turn whose rotation axis lies near one edge of the detector.",
        words="half acquisition extended field of view 360 offset axis double fov half_acq",
    ),
    PluginEntry(
        "convert_360_to_180",
        "tomosaxs_plugins.reconstruction.convert_360_to_180:convert_360_to_180",
        "Merge opposite views of a full turn into the views of half a turn, as wide as both together.",
        needs=("numba",),
        install="pip install numba",
        words="half acquisition extended field of view sinogram stitch double fov",
    ),
)

BACKENDS: tuple[BackendEntry, ...] = (
    BackendEntry(
        "tomosaxs",
        "reconstruct",
        "tomosaxs_plugins.reconstruction.backends.own:backend",
        "Our own gridding, filtered backprojection and iterative methods on the CPU.",
        needs=("numba", "scipy"),
        install="pip install numba scipy",
    ),
    BackendEntry(
        "astra",
        "reconstruct",
        "tomosaxs_plugins.reconstruction.backends.astra:backend",
        "ASTRA toolbox: FBP, SIRT, CGLS on the CPU, and on a GPU where there is one.",
        needs=("astra", "scipy"),
        install="pip install 'tomosaxs[astra]'",
    ),
    BackendEntry(
        "tomopy",
        "reconstruct",
        "tomosaxs_plugins.reconstruction.backends.tomopy:backend",
        "TomoPy: gridrec on the CPU.",
        needs=("tomopy", "scipy"),
        install="conda install -c conda-forge tomopy",
    ),
)
