"""Analyses: tables in, tables out."""
