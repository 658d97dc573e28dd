"""Index of the steps on volumes: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import PluginEntry

_HERE = "tomosaxs_plugins.volume"

PLUGINS: tuple[PluginEntry, ...] = (
    PluginEntry(
        "mask_circle",
        f"{_HERE}.mask_circle:mask_circle",
        "Set everything outside a circle about the rotation axis to one value.",
        words="circular mask field of view cylinder volume slices",
    ),
    PluginEntry(
        "crop_volume",
        f"{_HERE}.crop_volume:crop_volume",
        "Keep a rectangle of every slice, the values as they are.",
        words="region of interest ROI cut volume slices",
    ),
    PluginEntry(
        "rescale",
        f"{_HERE}.rescale:rescale",
        "Turn values into grey levels of 8 or 16 bit between two limits, and state the scale.",
        needs=("numba",),
        install="pip install numba",
        words="8 bit 16 bit uint8 uint16 integer recad convert cast grey levels volume",
    ),
    PluginEntry(
        "undo_rescale",
        f"{_HERE}.rescale:undo_rescale",
        "Turn grey levels back into values: level * scale + offset, as `rescale` stated them.",
        needs=("numba",),
        install="pip install numba",
        words="8 bit 16 bit uint8 uint16 float physical values volume",
    ),
    PluginEntry(
        "find_limits",
        f"{_HERE}.find_limits:FindLimits",
        "Find the grey-value limits of a volume: two percentiles of its values, for `rescale`.",
        needs=("numba",),
        install="pip install numba",
        kind="estimator",
        words="percentile minimum maximum grey levels 8 bit saturation window volume",
    ),
    PluginEntry(
        "histogram",
        f"{_HERE}.find_limits:Histogram",
        "Count how often each grey value occurs in a volume.",
        needs=("numba",),
        install="pip install numba",
        kind="estimator",
        words="statistics distribution minimum maximum mean grey values volume",
    ),
    PluginEntry(
        "orthogonal_projections",
        f"{_HERE}.orthogonal_projections:OrthogonalProjections",
        "Look through a volume along z, y and x: pictures of the mean, largest, least or summed values.",
        kind="estimator",
        words="MIP maximum intensity projection overview picture volume",
    ),
    PluginEntry(
        "downsample",
        f"{_HERE}.downsample:downsample",
        "Make every slice smaller: squares of voxels become their mean.",
        needs=("numba",),
        install="pip install numba",
        words="binning bin smaller resolution volume slices",
    ),
    PluginEntry(
        "downsample_height",
        f"{_HERE}.downsample:downsample_height",
        "Bring neighbouring slices of a volume together: every `factor` of them become their mean.",
        needs=("numba",),
        install="pip install numba",
        words="binning bin smaller resolution volume z",
    ),
)
