"""What every test runs under: how hypothesis searches.

`fast` (default) and `ci` look at the same cases on every run, so a failure is a change of the code and never luck. `thorough` looks at new
ones for as long as one likes: ``pytest --hypothesis-profile=thorough``.
"""

import os

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("fast", max_examples=60, derandomize=True, database=None, **_COMMON)
settings.register_profile("ci", max_examples=150, derandomize=True, database=None, print_blob=True, **_COMMON)
settings.register_profile("thorough", max_examples=3000, **_COMMON)
settings.load_profile("ci" if os.environ.get("CI") else "fast")
