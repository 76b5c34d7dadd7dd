"""Where networks come from: one file a source, each with `load(name, weights) -> Loaded`."""
