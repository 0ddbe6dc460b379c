"""Thin: the metadata lives in pyproject.toml; src/clustermark holds one symbolic link per room."""

from setuptools import find_packages, setup

setup(package_dir={"": "src"}, packages=find_packages("src"))
