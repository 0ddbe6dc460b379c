"""What larger machines would do, modelled from measured parameters; every figure of it is labelled "modelled"."""
