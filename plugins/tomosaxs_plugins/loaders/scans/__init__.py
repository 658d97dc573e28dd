"""Parts of the loader of scattering scans."""
