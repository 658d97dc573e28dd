"""Loaders: files of an instrument become described datasets that are read in parts."""
