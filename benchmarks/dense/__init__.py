"""Dense linear algebra on a P×Q grid of ranks: what hpl, hpl_mxp and summa time."""
