"""What all tests share: one hypothesis profile, the same cases on every machine and in every run."""

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("house")
