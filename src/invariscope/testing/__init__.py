"""Analytic toys, a small study and contract suites for those who write their own parts."""
