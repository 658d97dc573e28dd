"""Index of the shipped plugins: names, places and one line each; imports nothing heavy."""

from __future__ import annotations

from tomosaxs import BackendEntry, PluginEntry, hookimpl


@hookimpl
def register_plugins() -> list[PluginEntry]:
    """Return the shipped plugins."""
    return [
        PluginEntry(
            "azimuthal_integrate",
            "tomosaxs_plugins.integration.azimuthal_integrate:AzimuthalIntegrate",
            "Integrate every diffraction pattern over the azimuth: intensity against q, 2 theta or radius.",
            words="SAXS WAXS XRD powder q curve radial pyFAI DAWN calibration poni",
        ),
        PluginEntry(
            "normalise_by_monitor",
            "tomosaxs_plugins.corrections.normalise_by_monitor:normalise_by_monitor",
            "Divide by the monitor, point by point or frame by frame.",
            words="I0 transmission STXM intensity normalize ion chamber",
        ),
    ]


@hookimpl
def register_backends() -> list[BackendEntry]:
    """Return the shipped backends."""
    return [
        BackendEntry(
            "pyfai",
            "azimuthal_integrate",
            "tomosaxs_plugins.integration.backends.pyfai:PyFAIBackend",
            "pyFAI's sparse-matrix integrator on the CPU.",
            needs=("pyFAI",),
            install="pip install 'tomosaxs[pyfai]'",
        ),
    ]
