"""Speed decides no test: hypothesis watches no deadline here; what hangs meets pytest's."""

from hypothesis import settings

settings.register_profile("planner", deadline=None)
settings.load_profile("planner")
