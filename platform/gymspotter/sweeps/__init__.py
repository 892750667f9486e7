"""Sweeps: the space that is searched, its trials, what Ray Tune runs, the record in MLflow and the report of it.

`gymspotter.tune` puts them together.
"""
