"""Starting points of the toy method: what each changes against the defaults.

>>> PRESETS["toy_first"]["method"]
'toy'
"""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {"toy_first": {"method": "toy", "steps": 40, "toy": {"rate": 0.2}}}

# what the Launch page says of each
WORDS: dict[str, str] = {"toy_first": "**First**: forty steps, a fifth of the way each."}
