"""Every shipped step and estimator keeps the plugin contract, with every kind of parameter that changes its way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tomosaxs import ArrayReader, Auxiliary, BackendEntry, Source, registry
from tomosaxs.testing import check_plugin, example_source

# Parameters to try, by plugin; the data are the example of the pattern of the plugin's first input.
# IMAGE stands for a file with an image as large as the frames of that example.
IMAGE = Path("image.npy")
# Stands for the result of an earlier run.
EARLIER = Path("earlier.nxs")
PATTERN = 0.01 * np.random.default_rng(3).standard_normal((7, 16)).astype(np.float32)
CASES: dict[str, list[dict[str, Any]]] = {
    "angular_efficiency": [{"attenuation": 2960.0, "thickness": 450e-6}],
    "azimuthal_integrate": [
        {"bins": 20},
        {"bins": 20, "mask_above": 60.0, "normalise": "monitor", "error_model": "poisson"},
        {"bins": 20, "splitting": "no", "azimuth_range": [0.0, 90.0], "polarization": 0.95, "unit": "2theta_deg"},
    ],
    "azimuthal_library": [
        {"bins": 6, "azimuth_bins": 5, "range": [0.02, 0.08]},
        {"bins": 9, "azimuth_bins": 4, "range": [0.02, 0.08], "fold": True, "normalise": "monitor"}
        | {"background": "side_bands", "side_bands": [[0.02, 0.04], [0.06, 0.08]], "mask_above": 60.0},
        {"bins": 9, "azimuth_bins": 4, "range": [0.02, 0.08], "error_model": "poisson"}
        | {"background": "exponential", "streak": [0.04, 0.06]},
    ],
    "background_frame": [{"background": IMAGE}, {"background": IMAGE, "scale": "monitor"}],
    "background_subtraction": [{}, {"scale": "monitor"}],
    "cake": [
        {"bins": 9, "azimuth_bins": 12},
        {
            "bins": 9,
            "azimuth_bins": 6,
            "fold": True,
            "mask_above": 60.0,
            "normalise": "monitor",
            "error_model": "poisson",
        },
        {"bins": 9, "azimuth_bins": 5, "splitting": "no", "azimuth_range": [0.0, 90.0], "unit": "2theta_deg"},
    ],
    "calculate": [{"expression": "where(data > 3, (data - 3) / monitor, sqrt(abs(data)))"}, {"expression": "2"}],
    "crop_volume": [{}, {"x": ["mid-3", 12], "y": ["begin", "end-5"]}],
    "correct_distortion": [
        {"coefficients": [1.0, 1e-3], "xcenter": 7.0, "ycenter": 3.5},
        {"coefficients": [1.01, 1e-3, 1e-5], "xcenter": 7.0, "ycenter": 3.5, "interpolation": "linear"},
    ],
    "correct_tilt": [{"angle": 2.0}, {"angle": -1.0, "centre": 6.5, "interpolation": "linear"}],
    "convert_360_to_180": [{"centre": 3.25}, {"centre": 12.0, "ramp": 2.0}],
    "curve_band": [
        {"band": [0.5, 1.0]},
        {"band": [0.5, 1.0], "background": [[0.2, 0.4], [1.1, 1.4]], "measure": "integral"},
        {"band": [0.5, 1.5], "background": [[1.6, 1.9]], "measure": "invariant"},
    ],
    "dark_current": [
        {"dark": IMAGE, "dark_time": 10.0, "count_time": "monitor"},
        {"base": 1.0, "rate": 0.5, "rate_of_flux": 0.1, "flux": "monitor", "count_time": 2.0},
    ],
    "dark_flat_correction": [{}, {"interpolate": False}, {"monitor": True}],
    "dead_time": [{"dead_time": 1e-3, "count_time": 3.0}, {"dead_time": 1e-5, "count_time": "monitor"}],
    "displaced_volume": [{"fraction": 0.25}, {"fraction": "monitor"}],
    "downsample": [{}, {"factor": 3}],
    "downsample_height": [{}, {"factor": 3}],
    "double_flat_field": [{"correction": PATTERN}, {"correction": np.stack([PATTERN, 2 * PATTERN])}],
    "eigen_flat_correction": [{}, {"components": 2, "air": 3, "bin": 1}],
    "estimate_amplitudes": [
        {},
        {"background": "none", "window": 0.0, "regularisation": "discrepancy", "reweight": 0},
        {"truncate": 0.2, "background": "constant", "regularisation": 0.5, "spectrum": False},
        {"method": "original", "together": 2, "side_bands": True, "window": 0.015},
    ],
    "extend_field": [{"centre": 3.25}, {"centre": 12.0, "ramp": 2.0}],
    "fill_missing": [{}],
    "find_axis_by_reconstruction": [{"candidates": 9, "guess": 7.5, "size": 16, "metric": "edges"}],
    "find_double_flat_field": [
        {},
        {"sigma": 2.0, "every": 3, "average": "mean", "blocks": 2, "threshold": 0.01},
    ],
    "find_hot_pixels": [{}, {"frames": 5, "sigma": 4.0, "ring_width": 2.0, "mask": IMAGE, "mask_marks": "used"}],
    "find_limits": [{}, {"every": 1, "circle": 0.8, "percentiles": [2.0, 90.0]}],
    "find_obscured_angles": [{}, {"threshold": 0.5, "margin": 0, "rows": 3}],
    "find_open_beam": [{}, {"columns": 1}],
    "find_rotation_axis": [
        {"on_low_confidence": "warn"},
        {"on_low_confidence": "warn", "method": "correlation", "rows": 3},
        {"value": 7.25},
    ],
    "flat_field": [{"flat": IMAGE}, {"flat": IMAGE, "scale": "none"}],
    "flux_and_transmission": [
        {"transmission": 0.5},
        {"incident": 100.0, "transmitted": "monitor", "empty_beam": 0.02},
    ],
    "frame_corrections": [
        {"count_time": 1.0, "transmission": 0.5},
        {"count_time": "monitor", "transmission": 0.1, "dead_time": 1e-4, "dark_rate": 1.0, "flat": IMAGE}
        | {"sensor_attenuation": 2960.0, "sensor_thickness": 450e-6, "solid_angle": True, "horizontal": 0.9},
    ],
    "frame_time": [{"count_time": 2.0}, {"count_time": "monitor"}],
    "histogram": [{}, {"bins": 16, "limits": [0.1, 0.8], "every": 3}],
    "load_estimate": [{"path": EARLIER}, {"path": EARLIER, "estimate": "limits"}],
    "map_fibres": [{}, {"order": 5, "reference": 67.0, "voxel_size": 250.0}],
    "mask_circle": [{}, {"radius": 0.5, "value": float("nan")}],
    "minus_log": [{}, {"minimum": 0.5, "open_beam": 900.0}],
    "normalise_by_air": [{"left": 2, "right": 3}, {"left": 0, "right": 4}],
    "normalise_by_monitor": [{}, *({"reference": which} for which in ("mean", "max", "first"))],
    "ome_zarr": [
        {"chunk": [4, 8, 8], "levels": 3},
        {"chunk": [2, 16, 16], "version": "0.5", "compression": "lz4", "limits": [0.0, 1.0]},
    ],
    "orthogonal_projections": [*({"kind": kind} for kind in ("mean", "max", "min", "sum")), {"every": 3}],
    "poisson_uncertainty": [{}, {"gain": 3.0, "offset": 20.0, "readout_noise": 5.0}],
    "polarisation": [{}, {"horizontal": 0.5}],
    "radial_band": [
        {"band": [0.04, 0.06], "azimuth_bins": 12},
        {"band": [0.04, 0.06], "background": [[0.02, 0.035], [0.065, 0.08]], "azimuth_bins": 6, "fold": True}
        | {"error_model": "poisson", "measure": "integral", "mask_above": 60.0, "normalise": "monitor"},
    ],
    "raw_volume": [{}, {"limits": [0.0, 1.0]}],
    "reconstruct_fibres": [
        {"max_iterations": 3},
        {"max_iterations": 3, "refine_angles": False, "background": "none", "weights": "robust"},
    ],
    "reconstruct": [
        {},
        {"centre": 7.25, "filter": "hann", "padding": "zero", "size": 11, "mask": 0.9},
        {"padding": "cylinder", "roi": {"x": [3, 9]}, "angle_offset": 30.0},
        {"backend": "tomosaxs", "algorithm": "backproject", "tilt": 0.4},
        {"backend": "tomosaxs", "algorithm": "sirt", "iterations": 3, "nonnegative": True, "initial": "fbp"},
        {"backend": "tomosaxs", "algorithm": "cgls", "iterations": 3, "roi": {"y": [3, 9]}},
        {"backend": "tomosaxs", "algorithm": "fista_tv", "iterations": 3, "regularisation": 0.1, "tolerance": 0.01},
    ],
    "rescale": [{"limits": [0.1, 0.8]}, {"limits": [0.0, 1.0], "bits": 16}],
    "remove_zingers": [
        {"threshold": 0.01},
        {"absolute": 5.0, "relative": 0.01, "size": 5, "outliers": "both"},
    ],
    "remove_zingers_across_frames": [
        {"threshold": 0.01},
        {"absolute": 0.0, "outliers": "both", "frames": 5},
    ],
    "remove_zingers_in_sinograms": [{"threshold": 0.01}, {"absolute": 3.0, "size": 6, "outliers": "both"}],
    "retrieve_phase": [
        {"length": 3.0},
        {"delta_beta": 5.0, "distance": 0.01, "unsharp_coeff": 0.5, "padding": "reflect", "output": "phase"},
    ],
    "remove_all_stripes": [
        {"large_size": 9, "small_size": 5, "widest": 2},
        {"large_size": 9, "small_size": 5, "widest": 2, "threshold": 0.0},
    ],
    "remove_dead_stripes": [{}, {"ratio": 1.1, "widen": 0}],
    "remove_large_stripes": [{"size": 9, "widest": 3, "threshold": 0.5}, {"size": 9, "widest": 3, "threshold": 0.0}],
    "remove_stripes_by_filtering": [
        {"size": 5, "widest": 2, "threshold": 0.5},
        {"size": 5, "widest": 2, "threshold": 0.0, "sort": False},
    ],
    "remove_stripes_by_fitting": [
        {"widest": 2, "threshold": 0.5},
        {"widest": 2, "order": 0, "threshold": 0.0, "sigma": 2.0},
    ],
    "remove_stripes_by_sorting": [
        {"size": 5, "widest": 2, "threshold": 0.5},
        {"size": 5, "widest": 2, "threshold": 0.0},
    ],
    "remove_stripes_by_wavelets": [
        {"widest": 2, "threshold": 0.5},
        {"widest": 2, "threshold": 0.0, "levels": 2, "wavelet": 2},
    ],
    "save_fibres": [{}, {"file_name": "disc", "length": 50.0}],
    "self_absorption": [
        {"transmission": 0.3},
        {"transmitted": "monitor", "incident": 100.0, "empty_beam": 0.02},
    ],
    "solid_angle": [{}, {"absolute": True}],
    "thickness": [{"thickness": 1e-3}, {"thickness": "monitor", "minimum": 1.05}],
    "tiff_stack": [{}, {"dtype": "uint16", "limits": [0.0, 1.0]}],
    "tiff_volume": [{}],
    "undo_rescale": [{"scale": 0.5, "offset": -1.0}],
}

SHIPPED = {
    name: entry
    for name, entry in registry.plugins().items()
    if entry.kind in ("step", "estimator") and entry.target.startswith("tomosaxs_plugins.")
}


def _cases() -> list[Any]:
    return [
        pytest.param(name, parameters, id=f"{name}-{number}")
        for name in SHIPPED
        for number, parameters in enumerate(CASES.get(name, [{}]))
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_plugin_has_cases(name: str) -> None:
    assert CASES.get(name), (
        f"plugin {name!r} is not under contract: add `{name!r}: [{{}}]` to CASES in {__file__}, with further "
        "parameters where they change what it does"
    )


def test_no_case_is_left_of_a_plugin_that_is_gone() -> None:
    assert set(CASES) <= set(SHIPPED)


def _full_turn(example: Source) -> Source:
    """Return the same with its angles going all around."""
    angles = example.dataset.axis("rotation_angle")
    turned = replace(angles, values=None if angles.values is None else 2 * angles.values)
    axes = tuple(turned if axis is angles else axis for axis in example.dataset.axes)
    return replace(example, dataset=replace(example.dataset, axes=axes))


def _source(name: str) -> Source | None:
    """Return the dataset for a plugin that cannot take the example of its pattern."""
    if name in ("extend_field", "convert_360_to_180"):
        return _full_turn(example_source("Sinograms"))
    if name != "eigen_flat_correction":
        return None
    example = example_source("Projections")
    flats = 1000 + 50 * np.random.default_rng(2).random((6, 7, 16), dtype=np.float32)
    single = {
        "flats": Auxiliary(("flat", "detector_y", "detector_x"), ArrayReader(flats)),
        "flat_weights": Auxiliary(("flat", "rotation_angle"), ArrayReader(np.full((6, 24), 1 / 6))),
    }
    dataset = replace(example.dataset, auxiliaries={**example.dataset.auxiliaries, **single})
    return replace(example, dataset=dataset)


@pytest.mark.parametrize(("name", "parameters"), _cases())
def test_contract(name: str, parameters: dict[str, Any], tmp_path: Path) -> None:
    entry = SHIPPED[name]
    if entry.missing():
        pytest.skip(f"{name} {entry.missing()}")
    files = {key: each for key, each in parameters.items() if isinstance(each, Path)}
    if IMAGE in files.values():
        np.save(tmp_path / IMAGE, 1 + np.random.default_rng(1).random((12, 16)))
    if EARLIER in files.values():
        with h5py.File(tmp_path / EARLIER, "w") as file:
            file["entry/estimates/axis/value"], file["entry/estimates/limits/value"] = 7.5, [0.1, 0.9]
    check_plugin(name, _source(name), {**parameters, **{key: tmp_path / each for key, each in files.items()}})


def _backends() -> list[Any]:
    found = [("reconstruct", {"algorithm": "fbp"}), ("azimuthal_integrate", {"bins": 20})]
    found.append(("cake", {"bins": 9, "azimuth_bins": 12}))
    return [
        pytest.param(plugin, entry, parameters, id=f"{plugin}-{entry.name}")
        for plugin, parameters in found
        for entry in registry.backends(plugin).values()
    ]


@pytest.mark.parametrize(("plugin", "entry", "parameters"), _backends())
def test_contract_of_every_backend(plugin: str, entry: BackendEntry, parameters: dict[str, Any]) -> None:
    if entry.missing():
        pytest.skip(f"{entry.name} {entry.missing()}")
    chosen = {"backend": entry.name, **parameters}
    if entry.name == "tomopy":
        chosen["algorithm"] = "gridrec"
    check_plugin(plugin, None, chosen)
