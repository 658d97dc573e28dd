"""Index of the azimuthal integration: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import BackendEntry, PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "curve_band",
        "tomosaxs_plugins.integration.curve_band:curve_band",
        "Reduce every curve to the intensity in a band: a map, or of a tomographic scan a sinogram.",
        words="q range invariant integral peak SAXS-CT sinogram region of interest ROI",
    ),
    PluginEntry(
        "azimuthal_integrate",
        "tomosaxs_plugins.integration.azimuthal_integrate:AzimuthalIntegrate",
        "Integrate every diffraction pattern over the azimuth: intensity against q, 2 theta, radius or d.",
        words="SAXS WAXS XRD powder q curve radial pyFAI DAWN calibration poni",
    ),
    PluginEntry(
        "cake",
        "tomosaxs_plugins.integration.cake:Cake",
        "Regroup every diffraction pattern into a cake: intensity against azimuth and q, 2 theta, radius or d.",
        words="SAXS WAXS XRD azimuth chi q regroup unwrap polar texture orientation sector pyFAI integrate2d",
    ),
    PluginEntry(
        "radial_band",
        "tomosaxs_plugins.integration.radial_band:RadialBand",
        "Integrate a band of q over q, sector by sector, less the background beside it: I(chi), for orientation.",
        needs=("numba",),
        install="pip install numba",
        words="SAXS WAXS azimuth chi orientation collagen fibre peak texture Hermans anisotropy",
    ),
    PluginEntry(
        "find_hot_pixels",
        "tomosaxs_plugins.integration.find_hot_pixels:FindHotPixels",
        "Find hot, dead and constant pixels by sigma clipping of the mean frame, ring by ring.",
        needs=("scipy",),
        install="pip install scipy",
        kind="estimator",
        words="mask bad pixels sigma clip zinger SAXS WAXS detector",
    ),
)

BACKENDS: tuple[BackendEntry, ...] = (
    BackendEntry(
        "tomosaxs",
        "azimuthal_integrate",
        "tomosaxs_plugins.integration.backends.own:OwnBackend",
        "Our own integrator on the CPU: exact pixel areas, eight frames at a time.",
        needs=("numba",),
        install="pip install numba",
    ),
    BackendEntry(
        "pyfai",
        "azimuthal_integrate",
        "tomosaxs_plugins.integration.backends.pyfai:PyFAIBackend",
        "pyFAI's sparse-matrix integrator on the CPU.",
        needs=("pyFAI", "fabio", "silx", "numexpr", "scipy"),
        install="pip install 'tomosaxs[pyfai]'",
    ),
    BackendEntry(
        "tomosaxs",
        "cake",
        "tomosaxs_plugins.integration.backends.own_cake:OwnCakeBackend",
        "Our own on the CPU: exact areas in radius and azimuth, eight frames at a time.",
        needs=("numba",),
        install="pip install numba",
    ),
    BackendEntry(
        "pyfai",
        "cake",
        "tomosaxs_plugins.integration.backends.pyfai_cake:PyFAICakeBackend",
        "pyFAI's sparse-matrix integrator in two dimensions on the CPU.",
        needs=("pyFAI", "fabio", "silx", "numexpr", "scipy"),
        install="pip install 'tomosaxs[pyfai]'",
    ),
)
