"""Index of the corrections of tomography scans: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

PLUGINS: tuple[PluginEntry, ...] = (
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
        "normalise_by_monitor",
        "tomosaxs_plugins.corrections.normalise_by_monitor:normalise_by_monitor",
        "Divide by the monitor, point by point or frame by frame.",
        words="I0 transmission STXM intensity normalize ion chamber",
    ),
)
