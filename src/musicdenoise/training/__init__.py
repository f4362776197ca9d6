"""Noise2Noise training: configuration, state, one step, the loop."""
