"""Savers: NeXus files and stacks of TIFF images."""
