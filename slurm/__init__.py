"""The Slurm room: templates, sites and virtual nodes belong here; a batch script calls `clustermark run` meanwhile."""
