"""Several images per class: an objective for the clusters that they learn, and the same for their whole classes.

By its clusters alone a set of several images teaches its classes worse than one image of each does; by its classes
alone the images become alike (docs/log.md, 2026-11-27). Legend: M views, D features.

>>> WithClasses(clusters, classes, share=0.5, each=5).at(3)(features, labels)
"""

from jaxtyping import Float, Int
from torch import Tensor

from lgm_core.methods.lgm.objectives.objective import LossOf, Objective


class WithClasses(Objective):
    """(1 - share) of the clusters' loss and share of the classes'; the clusters are numbered class by class."""

    def __init__(self, clusters: Objective, classes: Objective, *, share: float, each: int) -> None:
        """`each`: clusters of a class."""
        self.clusters, self.classes, self.share, self.each = clusters, classes, share, each

    def at(self, step: int) -> LossOf:
        clusters, classes = self.clusters.at(step), self.classes.at(step)

        def loss(features: Float[Tensor, "m d"], rows: Int[Tensor, "m"]) -> Float[Tensor, ""]:
            return (1 - self.share) * clusters(features, rows) + self.share * classes(features, rows // self.each)

        return loss
