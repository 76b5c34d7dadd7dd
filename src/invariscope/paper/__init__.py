"""What the two papers say: claims, verdicts, the published record."""
