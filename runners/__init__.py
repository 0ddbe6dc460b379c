"""Launching and measuring. The login-node side (catalog, launcher, local) imports no MPI; the ranks' side does."""
