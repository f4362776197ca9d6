"""Whole songs of any length: blocks in, blocks out; files in, files out."""
