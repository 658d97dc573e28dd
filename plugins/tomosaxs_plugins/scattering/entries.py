"""Index of the SAXS corrections: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "poisson_uncertainty",
        "tomosaxs_plugins.scattering.poisson_uncertainty:poisson_uncertainty",
        "Give raw counts the standard uncertainties of counting, which the corrections carry on.",
        words="error errors sigma variance Poisson statistics SAXS",
    ),
    PluginEntry(
        "dead_time",
        "tomosaxs_plugins.scattering.dead_time:dead_time",
        "Restore the counts that a detector misses while it is blind after a photon.",
        needs=("numba",),
        install="pip install numba",
        words="SAXS WAXS deadtime pile-up paralysable count rate linearity",
    ),
    PluginEntry(
        "dark_current",
        "tomosaxs_plugins.scattering.dark_current:DarkCurrent",
        "Subtract counts that come without scattered photons: a dark frame scaled by time, or constants.",
        words="SAXS WAXS dark frame offset detector noise",
    ),
    PluginEntry(
        "frame_time",
        "tomosaxs_plugins.scattering.frame_time:frame_time",
        "Turn counts into counts a second.",
        words="SAXS WAXS exposure count time rate",
    ),
    PluginEntry(
        "flux_and_transmission",
        "tomosaxs_plugins.scattering.flux_and_transmission:flux_and_transmission",
        "Divide by the flux that passed the sample: incident flux times transmission.",
        words="SAXS WAXS I0 It monitor diode normalise normalize",
    ),
    PluginEntry(
        "self_absorption",
        "tomosaxs_plugins.scattering.self_absorption:SelfAbsorption",
        "Undo that rays scattered to large angles travel farther through the sample than the direct beam.",
        words="SAXS WAXS absorption transmission angle",
    ),
    PluginEntry(
        "flat_field",
        "tomosaxs_plugins.scattering.flat_field:FlatField",
        "Divide by the sensitivity of the pixels: an image taken of even illumination.",
        words="SAXS WAXS sensitivity pixel response flatfield",
    ),
    PluginEntry(
        "angular_efficiency",
        "tomosaxs_plugins.scattering.angular_efficiency:AngularEfficiency",
        "Divide by the part of the photons that the sensor absorbs, which grows with the angle of incidence.",
        words="SAXS WAXS sensor absorption quantum efficiency silicon parallax",
    ),
    PluginEntry(
        "solid_angle",
        "tomosaxs_plugins.scattering.solid_angle:SolidAngle",
        "Divide by the solid angle of the pixels, relative to a pixel at the foot of the detector normal.",
        words="SAXS WAXS spherical correction cos3",
    ),
    PluginEntry(
        "polarisation",
        "tomosaxs_plugins.scattering.polarisation:Polarisation",
        "Divide by how a polarised beam prefers directions.",
        words="SAXS WAXS polarization synchrotron horizontal",
    ),
    PluginEntry(
        "background_subtraction",
        "tomosaxs_plugins.scattering.background_subtraction:background_subtraction",
        "Subtract a background that was measured at the same points, corrected like the data.",
        words="SAXS WAXS empty cell capillary buffer subtract",
    ),
    PluginEntry(
        "background_frame",
        "tomosaxs_plugins.scattering.background_frame:BackgroundFrame",
        "Subtract one background frame from every frame.",
        words="SAXS WAXS empty cell capillary buffer subtract average",
    ),
    PluginEntry(
        "displaced_volume",
        "tomosaxs_plugins.scattering.displaced_volume:displaced_volume",
        "Subtract the scattering of the dispersant that is left in the beam: (1 - fraction) of it.",
        words="SAXS solvent dispersant buffer subtract volume fraction",
    ),
    PluginEntry(
        "thickness",
        "tomosaxs_plugins.scattering.thickness:thickness",
        "Divide by the thickness of the sample: scattering cross section per volume, 1/m.",
        words="SAXS absolute intensity units path length",
    ),
    PluginEntry(
        "frame_corrections",
        "tomosaxs_plugins.scattering.frame_corrections:FrameCorrections",
        "Correct frames in one pass: dead time, dark counts, exposure, flux, self absorption, pixels, thickness.",
        needs=("numba",),
        install="pip install numba",
        words="SAXS WAXS fused fast all corrections sequence",
    ),
    PluginEntry(
        "calculate",
        "tomosaxs_plugins.scattering.calculate:calculate",
        "Calculate value by value with an expression of datasets and what goes with them.",
        needs=("numexpr",),
        install="pip install numexpr",
        words="arithmetic formula numexpr math add subtract multiply divide",
    ),
)
