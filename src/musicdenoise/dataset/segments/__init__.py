"""Segments of the pairs of a dataset, the most useful first: what `dataset segment` does."""
