"""What the programs of all applications share: keys and values of input files, ranks, files, sections, the terminal."""
