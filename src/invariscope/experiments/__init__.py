"""The experiments: MEI, stretch-and-squeeze, natural statistics."""
