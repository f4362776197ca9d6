"""Evaluation: how good a network is, and how alike recordings are."""
