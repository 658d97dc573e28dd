"""Azimuthal integration of our own: exact pixel areas, several frames at a time, numba and numpy only."""
