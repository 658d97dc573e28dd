"""Reconstruction of slices from sinograms: filters, angular weights, backprojection and backends."""
