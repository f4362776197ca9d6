"""Noise2Noise training: configuration, data, state, one step, the loop, several processes."""
