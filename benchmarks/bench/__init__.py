"""The engine measured beside the original's way of working."""
