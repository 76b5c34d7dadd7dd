"""Natural statistics: how units respond to natural images."""
