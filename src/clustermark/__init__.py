"""clustermark: benchmark and scientific-compute suite for GPU clusters, rented GPU hosts and laptops."""

__version__ = "0.1.0"
