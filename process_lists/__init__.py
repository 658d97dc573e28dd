"""Ready-made process lists, shipped with the package."""
