"""Evaluation: how well a network works, and how similar recordings are."""
