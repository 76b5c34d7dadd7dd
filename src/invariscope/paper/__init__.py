"""The two papers: claims, verdicts, the published record."""
