"""Index of fibre reconstruction: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import CommandEntry, PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "simulate_fibre_scan",
        "tomosaxs_plugins.fibres.simulate_fibre_scan:simulate_fibre_scan",
        "Simulate a SAXS scan of collagen fibres on a lattice: frames of every beam path, and the truth.",
        kind="loader",
        needs=("numba",),
        install="pip install numba",
        words="TomoSAXS 3DXRD fibre collagen input demo phantom synthetic test data truth benchmark lattice IVD",
    ),
    PluginEntry(
        "azimuthal_library",
        "tomosaxs_plugins.fibres.azimuthal_library:AzimuthalLibrary",
        "Integrate every frame into bins of azimuth and q around one order of the fibres, with standard uncertainties.",
        needs=("numba",),
        install="pip install numba",
        words="SAXS TomoSAXS 3DXRD fibre collagen azimuth chi q cake chi_exp I(chi) library streak background",
    ),
    PluginEntry(
        "estimate_amplitudes",
        "tomosaxs_plugins.fibres.estimate_amplitudes:estimate_amplitudes",
        "Estimate the amplitudes of all fibres of a slice: non-negative least squares over all paths, angles and "
        "azimuths.",
        needs=("numba",),
        install="pip install numba",
        words="TomoSAXS fibre collagen SVD singular values NNLS amplitude linear solve lstsq Tikhonov start",
    ),
    PluginEntry(
        "reconstruct_fibres",
        "tomosaxs_plugins.fibres.reconstruct_fibres:reconstruct_fibres",
        "Reconstruct all fibres of a slice: D-period, widths and shape of the streak, amplitude, and their "
        "uncertainties.",
        needs=("numba", "scipy"),
        install="pip install numba scipy",
        words="TomoSAXS 3DXRD fibre collagen joint fit least squares Levenberg-Marquardt recon sequential q0 strain",
    ),
    PluginEntry(
        "map_fibres",
        "tomosaxs_plugins.fibres.map_fibres:map_fibres",
        "Put the values of fibres back into the volume: D-periods, strains, and maps with their uncertainties.",
        words="TomoSAXS fibre collagen map voxel D-period strain table",
    ),
    PluginEntry(
        "save_fibres",
        "tomosaxs_plugins.fibres.save_fibres:save_fibres",
        "Save the table of fibres as fibres.csv and as fibres.vtp, lines to be coloured by any quantity.",
        words="TomoSAXS fibre collagen CSV VTK PolyData ParaView vtp export table lines",
    ),
)

COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "convert-beam-paths",
        "tomosaxs_plugins.fibres.convert_beam_paths:convert_beam_paths",
        "Convert nested object arrays of the published TomoSAXS pipeline to a beam-path table in NeXus.",
    ),
)
