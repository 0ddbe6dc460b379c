"""The Slurm room: texts of batch scripts, sites, a plain example, and real Slurm with virtual nodes."""
