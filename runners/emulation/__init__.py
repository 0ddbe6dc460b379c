"""An emulated cluster on one Linux machine: nodes are namespaces, joined by a network of a chosen rate and delay."""
