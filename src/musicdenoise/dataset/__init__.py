"""Datasets of noisy pairs: what `dataset build` does."""
