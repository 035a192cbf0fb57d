"""How many examples the property tests try: few in `make test`, many in `make faults`.

>>> @settings(many(200))
... @given(...)
"""

import os

from hypothesis import HealthCheck, settings

IS_LONG = os.environ.get("FAULTS_EXAMPLES") == "many"


def many(long: int, short: int = 10) -> settings:
    """`long` examples, at random, in `make faults`; else `short` ones, the same each time."""
    return settings(
        max_examples=long if IS_LONG else short, derandomize=not IS_LONG, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
