"""Index of the shipped plugins: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from typing import Any

from tomosaxs import BackendEntry, CommandEntry, PluginEntry, hookimpl


@hookimpl
def register_plugins() -> list[PluginEntry]:
    """Return the shipped plugins."""
    return [
        PluginEntry(
            "tomography",
            "tomosaxs_plugins.loaders.tomography:tomography",
            "Load a tomography scan: NXtomo and its variants, Data Exchange, a SOLEIL Flyscan folder.",
            kind="loader",
            words="NeXus HDF5 nxs h5 input projections flats darks image_key APS ESRF Diamond",
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
            "dark_flat_correction",
            "tomosaxs_plugins.corrections.dark_flat_correction:dark_flat_correction",
            "Turn counts into transmission with darks and flats, interpolated in time.",
            needs=("numexpr",),
            install="pip install numexpr",
            words="flat field dark field normalisation background normalize",
        ),
        PluginEntry(
            "fill_missing",
            "tomosaxs_plugins.corrections.fill_missing:fill_missing",
            "Interpolate points of sinograms that were not measured (NaN), so that they can be reconstructed.",
            words="gaps mask aborted scan inpaint SAXS-CT",
        ),
        PluginEntry(
            "find_open_beam",
            "tomosaxs_plugins.corrections.find_open_beam:find_open_beam",
            "Find the signal of the open beam from the outermost columns on both sides.",
            kind="estimator",
            words="air normalisation I0 STXM flat transmission",
        ),
        PluginEntry(
            "minus_log",
            "tomosaxs_plugins.corrections.minus_log:minus_log",
            "Turn transmission into attenuation: the negative natural logarithm.",
            needs=("numexpr",),
            install="pip install numexpr",
            words="logarithm absorption linearise Beer Lambert",
        ),
        PluginEntry(
            "find_rotation_axis",
            "tomosaxs_plugins.centring.find_rotation_axis:FindRotationAxis",
            "Find the rotation axis from several rows by several methods, with uncertainty and confidence.",
            needs=("numba", "scipy"),
            install="pip install numba scipy",
            kind="estimator",
            words="centre of rotation center COR axis tilt Vo correlation",
        ),
        PluginEntry(
            "reconstruct",
            "tomosaxs_plugins.reconstruction.reconstruct:reconstruct",
            "Reconstruct slices from sinograms with the backend that the list names.",
            words="FBP filtered backprojection gridrec SIRT CGLS tomography astra tomopy volume",
        ),
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
        PluginEntry(
            "normalise_by_monitor",
            "tomosaxs_plugins.corrections.normalise_by_monitor:normalise_by_monitor",
            "Divide by the monitor, point by point or frame by frame.",
            words="I0 transmission STXM intensity normalize ion chamber",
        ),
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
            needs=("tifffile",),
            install="pip install tifffile",
            words="TIFF images export 8 bit 16 bit ImageJ Avizo stack",
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
    ]


@hookimpl
def register_backends() -> list[BackendEntry]:
    """Return the shipped backends."""
    return [
        BackendEntry(
            "tomosaxs",
            "reconstruct",
            "tomosaxs_plugins.reconstruction.backends.own:backend",
            "Our own filtered backprojection on the CPU.",
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
    ]


@hookimpl
def register_commands() -> list[CommandEntry]:
    """Return the commands of the bench: ``tomosaxs integrate`` and its like."""
    return [
        CommandEntry(
            "integrate",
            "tomosaxs_plugins.commands.integrate:integrate",
            "Integrate a folder of images over the azimuth, and follow it while a measurement goes on.",
        ),
        CommandEntry(
            "calibrate",
            "tomosaxs_plugins.commands.calibrate:calibrate",
            "Find beam centre, distance and tilt of a detector from the rings of a calibration standard.",
            needs=("scipy",),
            install="pip install scipy",
        ),
        CommandEntry(
            "plot",
            "tomosaxs_plugins.commands.plot:plot",
            "Plot curves of .chi, NeXus and text files.",
            needs=("matplotlib",),
            install="pip install 'tomosaxs[plot]'",
        ),
    ]


@hookimpl
def report(plan: Any, result: Any) -> list[tuple[str, str]]:
    """Return what the report shows of integrated frames; nothing is imported for other lists."""
    if not any(step.spec.target.__module__.startswith("tomosaxs_plugins.integration.") for step in plan.steps):
        return []
    from tomosaxs_plugins.integration.report import sections

    return sections(plan, result)
