"""Many songs on many machines, through Dask Distributed."""
