"""A GPU that is not there: stand-ins for CuPy and NVIDIA's libraries that work late and write down every call."""
