"""Fibre reconstruction: nanoscale parameters of every fibre of a slice from the diffraction of all beam paths."""
