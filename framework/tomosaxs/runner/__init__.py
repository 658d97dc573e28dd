"""Run a plan block by block."""
