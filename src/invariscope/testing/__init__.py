"""Analytic toys and contract suites for those who write their own parts."""
