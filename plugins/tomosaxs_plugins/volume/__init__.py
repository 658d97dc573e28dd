"""Steps on reconstructed volumes."""
