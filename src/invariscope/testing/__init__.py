"""Analytic toys, small networks, a small study and contract suites for authors of parts."""
