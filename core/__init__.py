"""Types, plan, statistics and result store: no MPI, no GPU, no numba."""
