"""Azimuthal integration: detector geometry, calibrations, masks, backends and the plugin."""
