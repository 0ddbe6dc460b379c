"""A dry climate on a Yin-Yang grid: shallow water and primitive equations, as a workload and as a program."""
