"""Corrections of scattering frames, from counts to a differential cross section per volume."""
