"""Curves in files and in plots: FIT2D's .chi, text of three columns, NeXus. Plain functions, no framework."""
