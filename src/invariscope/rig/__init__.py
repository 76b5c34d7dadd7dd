"""Sessions on a brain: blocks, repeats, drift, noise, the same search, export."""
