"""Removal of stripes in sinograms, which become rings in slices."""
