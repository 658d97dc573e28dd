"""Every shipped step and estimator keeps the plugin contract, with every kind of parameter that changes its way."""

from __future__ import annotations

from typing import Any

import pytest

from tomosaxs import registry
from tomosaxs.testing import check_plugin

# Parameters to try, by plugin; the data are the example of the pattern of the plugin's first input.
CASES: dict[str, list[dict[str, Any]]] = {
    "azimuthal_integrate": [
        {"bins": 20},
        {"bins": 20, "mask_above": 60.0, "normalise": "monitor", "error_model": "poisson"},
        {"bins": 20, "splitting": "no", "azimuth_range": [0.0, 90.0], "polarization": 0.95, "unit": "2theta_deg"},
    ],
    "dark_flat_correction": [{}, {"interpolate": False}, {"monitor": True}],
    "find_open_beam": [{}, {"columns": 1}],
    "find_rotation_axis": [
        {"on_low_confidence": "warn"},
        {"on_low_confidence": "warn", "method": "correlation", "rows": 3},
        {"value": 7.25},
    ],
    "minus_log": [{}, {"minimum": 0.5, "open_beam": 900.0}],
    "normalise_by_monitor": [{}, *({"reference": which} for which in ("mean", "max", "first"))],
    "reconstruct": [{}, {"centre": 7.25, "filter": "hann", "padding": "zero", "size": 11, "mask": 0.9}],
    "tiff_stack": [{}, {"dtype": "uint16", "limits": [0.0, 1.0]}],
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


@pytest.mark.parametrize(("name", "parameters"), _cases())
def test_contract(name: str, parameters: dict[str, Any]) -> None:
    entry = SHIPPED[name]
    if entry.missing():
        pytest.skip(f"{name} {entry.missing()}")
    check_plugin(name, None, parameters)


def _backends() -> list[Any]:
    found = [("reconstruct", {"algorithm": "fbp"}), ("azimuthal_integrate", {"bins": 20})]
    return [
        pytest.param(plugin, entry, parameters, id=f"{plugin}-{entry.name}")
        for plugin, parameters in found
        for entry in registry.backends(plugin).values()
    ]


@pytest.mark.parametrize(("plugin", "entry", "parameters"), _backends())
def test_contract_of_every_backend(plugin: str, entry: registry.BackendEntry, parameters: dict[str, Any]) -> None:
    if entry.missing():
        pytest.skip(f"{entry.name} {entry.missing()}")
    chosen = {"backend": entry.name, **parameters}
    if entry.name == "tomopy":
        chosen["algorithm"] = "gridrec"
    check_plugin(plugin, None, chosen)
