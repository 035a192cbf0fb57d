"""How many images a set has of each class, which need not be as many of each. Needs no torch.

>>> per_class_words(run), told_per_class(run.config())
('5 to 15', ', 10 per class on average')
"""

from lgm_core.config import RunConfig
from lgm_core.methods.catalog import known_method, own_settings
from lgm_core.runs.store import RunFolder


def per_class_words(run: RunFolder) -> str:
    """How many images there are of each class: "10", or "5 to 15" where they are not equally many."""
    owners, classes = run.own_labels()
    counts = [owners.count(label) for label in range(len(classes))]
    if not counts or min(counts) == max(counts):
        return str(run.config().images_per_class)
    return f"{min(counts)} to {max(counts)}"


def told_per_class(config: RunConfig) -> str:
    """What a row's label says of it, equal for runs that differ in the seed alone; "" for one image per class."""
    if config.images_per_class == 1:
        return ""
    if config.kind == "baseline":
        balanced = config.baseline.choice != "high-loss"
    else:
        balanced = known_method(config) is None or own_settings(config).balanced
    return f", {config.images_per_class} per class{'' if balanced else ' on average'}"
