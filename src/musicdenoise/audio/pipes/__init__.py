"""Standard input and standard output: audio that cannot be sought."""
