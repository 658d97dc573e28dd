"""Commands of this package, shown by `tomosaxs --help`: physics at the bench."""
