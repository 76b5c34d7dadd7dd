"""Analytic toys, a small study and contract suites for writers of new parts."""
