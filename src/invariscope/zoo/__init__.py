"""Architectures and weights that can be loaded by name."""
