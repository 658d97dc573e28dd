"""Refine a detector's geometry from the rings of a calibration standard; plain numpy and scipy, no framework."""
