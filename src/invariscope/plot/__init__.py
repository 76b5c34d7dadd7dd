"""Axes-level plots: each takes `ax=` and returns it."""
