"""Every shipped plugin: corrections, centring, reconstruction, integration, loaders and savers."""
