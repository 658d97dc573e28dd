"""Index of the corrections of tomography scans: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "correct_distortion",
        "tomosaxs_plugins.corrections.correct_distortion:CorrectDistortion",
        "Correct the radial distortion of the camera's lens with coefficients calibrated by discorpy.",
        needs=("numba",),
        install="pip install numba",
        words="lens radial polynomial unwarp discorpy barrel pincushion",
    ),
    PluginEntry(
        "correct_tilt",
        "tomosaxs_plugins.corrections.correct_tilt:correct_tilt",
        "Turn projections so that the rotation axis stands along the columns.",
        needs=("numba",),
        install="pip install numba",
        words="rotate camera roll rotation axis tilted detector",
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
        "double_flat_field",
        "tomosaxs_plugins.corrections.double_flat_field:double_flat_field",
        "Take the detector's own pattern, found by find_double_flat_field, out of projections or sinograms.",
        needs=("scipy",),
        install="pip install scipy",
        words="rings flat field high-pass pattern",
    ),
    PluginEntry(
        "fill_missing",
        "tomosaxs_plugins.corrections.fill_missing:fill_missing",
        "Interpolate points of sinograms that were not measured (NaN), so that they can be reconstructed.",
        words="gaps mask aborted scan inpaint SAXS-CT",
    ),
    PluginEntry(
        "find_double_flat_field",
        "tomosaxs_plugins.corrections.double_flat_field_find:FindDoubleFlatField",
        "Find what the detector itself leaves in all projections: the double flat field.",
        kind="estimator",
        needs=("scipy",),
        install="pip install scipy",
        words="rings flat field high-pass nonconstant rings mean projection",
    ),
    PluginEntry(
        "find_obscured_angles",
        "tomosaxs_plugins.corrections.find_obscured_angles:FindObscuredAngles",
        "Find projections that are obscured, for instance by the columns of a press, to leave them out.",
        kind="estimator",
        words="press anvil columns blocked hidden missing wedge exclude",
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
        "normalise_by_monitor",
        "tomosaxs_plugins.corrections.normalise_by_monitor:normalise_by_monitor",
        "Divide by the monitor, point by point or frame by frame.",
        words="I0 transmission STXM intensity normalize ion chamber",
    ),
    PluginEntry(
        "remove_zingers",
        "tomosaxs_plugins.corrections.remove_zingers:RemoveZingers",
        "Replace zingers, isolated bright pixels of a projection, by the median of their neighbourhood.",
        needs=("numba",),
        install="pip install numba",
        words="outliers spikes hot pixels dezinger despike cosmic rays median CCD filter",
    ),
    PluginEntry(
        "remove_zingers_across_frames",
        "tomosaxs_plugins.corrections.remove_zingers_across_frames:RemoveZingersAcrossFrames",
        "Replace what only one frame has by the median of the same pixel in the frames beside it.",
        needs=("numba",),
        install="pip install numba",
        words="zingers outliers spikes dezinger moving median in time",
    ),
    PluginEntry(
        "remove_zingers_in_sinograms",
        "tomosaxs_plugins.corrections.remove_zingers:remove_zingers_in_sinograms",
        "Replace zingers, values that stand out in a sinogram, by the median of their neighbourhood.",
        needs=("numba",),
        install="pip install numba",
        words="outliers spikes dezinger sinogram streaks",
    ),
)
