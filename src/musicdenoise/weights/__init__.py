"""Networks on disk: the file format, the index of pretrained ones, the reference's format."""
