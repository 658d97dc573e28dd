"""Corrections of measured data: dark and flat fields, logarithm, monitors."""
