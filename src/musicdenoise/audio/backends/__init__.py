"""The libraries that decode and encode: libsndfile, and FFmpeg through PyAV."""
