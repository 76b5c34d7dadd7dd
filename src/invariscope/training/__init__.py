"""The recipes of the embedded networks and generator: `python -m invariscope.training`."""
