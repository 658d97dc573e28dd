"""Phase retrieval and what goes with it."""
