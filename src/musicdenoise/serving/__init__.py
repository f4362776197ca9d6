"""A page on this machine, to try songs in a browser: ``musicdenoise serve``."""
