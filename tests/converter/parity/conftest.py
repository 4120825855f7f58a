"""Properties are tried on the same examples every time, and leave no database behind."""

from hypothesis import settings

settings.register_profile("seeded", derandomize=True, database=None, deadline=None)
settings.load_profile("seeded")
