"""Maps of the same images in several backbones that can be laid over each other.

Legend: V backbones, N images, D features of one of them (each may have its own number).

>>> maps = aligned_pca([a, b]), aligned_umap([a, b], neighbours=15, min_dist=0.1, seed=0)
>>> maps[0].shape
torch.Size([2, 2000, 2])
"""

import warnings
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lgm_core.analysis.compiled_umap import with_umap
from lgm_core.analysis.projection import directions, fit_pca


def aligned_pca(features: Sequence[Float[Tensor, "n _"]]) -> Float[Tensor, "v n 2"]:
    """The two leading axes of each backbone, brought to one size, turned and mirrored onto the first backbone's map."""
    from scipy.linalg import orthogonal_procrustes  # takes half a second to import; only this function needs it

    found: list[Tensor] = []
    for part in features:
        points = fit_pca(part).project(part).double().cpu()
        points = torch.nn.functional.pad(points, (0, 2 - points.shape[1]))
        points = points - points.mean(dim=0)
        points = points / points.square().mean().sqrt().clamp_min(1e-12)
        turn = orthogonal_procrustes(points.numpy(), found[0].numpy())[0] if found else torch.eye(2).numpy()
        found.append(points @ torch.as_tensor(turn, dtype=torch.float64))
    return torch.stack(found).float()


def aligned_umap(
    features: Sequence[Float[Tensor, "n _"]], *, neighbours: int, min_dist: float, seed: int
) -> Float[Tensor, "v n 2"]:
    """AlignedUMAP of umap-learn: each backbone's own map, with the same image drawn to the same place in all of them.

    The features are prepared as for `umap_points`. Needs at least two backbones and four images; the same on every
    call.
    """
    count = len(features[0])
    few = count <= 10 * neighbours  # too few points for the spectral initialisation
    window = len(features) - 1  # each map is held to all others, not to the next ones alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the spectral initialisation and numba; a user cannot act on them
        same, parts = {i: i for i in range(count)}, [directions(part).numpy() for part in features]
        reducer = with_umap(
            lambda umap: umap.AlignedUMAP(
                n_neighbors=min(neighbours, count - 1), min_dist=min_dist, random_state=seed,
                alignment_window_size=window, init="random" if few else "spectral",
            ).fit(parts, relations=[same] * (len(features) - 1))
        )  # fmt: skip
    return torch.stack([torch.as_tensor(points, dtype=torch.float32) for points in reducer.embeddings_])
