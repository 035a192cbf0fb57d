"""Sums over all pairs of images of two kernel matrices, without the matrices: what CKA and RSA are made of.

Legend: N images, D and E features, S samples, P permutations, B resamples. A kernel matrix is K = x xᵀ, [N, N]. Sums of
the data as they are have S = 1 sample; permuting the images of one side, or resampling those of both, gives more.

>>> both = permuted_sums(x, y, permutations)  # S = 1 + P: the data as they are, then each permutation
>>> both.whole.cross.shape, both.without_diagonal.pairs[0]
(torch.Size([201]), tensor(3998000.))
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 4096  # images at once, of features
ROWS = 512  # rows of a kernel matrix at once


@dataclass(frozen=True, kw_only=True)
class PairSums:
    """Sums over pairs (i, j) of images, each [S] float64; an image that was drawn twice counts twice.

    count: Σᵢ 1; pairs: Σᵢⱼ 1; cross: Σᵢⱼ KᵢⱼLᵢⱼ; left: Σᵢⱼ Kᵢⱼ; right: Σᵢⱼ Lᵢⱼ; rows: Σᵢ (Σⱼ Kᵢⱼ)(Σⱼ Lᵢⱼ).
    """

    count: Float[Tensor, "s"]
    pairs: Float[Tensor, "s"]
    cross: Float[Tensor, "s"]
    left: Float[Tensor, "s"]
    right: Float[Tensor, "s"]
    rows: Float[Tensor, "s"]


class TwoSums(NamedTuple):
    """The same sums over all pairs, and over those of different images."""

    whole: PairSums
    without_diagonal: PairSums


def permuted_sums(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n e"], permutations: Int[Tensor, "p n"] | None = None, *,
    chunk: int = CHUNK,
) -> TwoSums:  # fmt: skip
    """Sums of the kernels of x and y, the latter's images permuted; [1 + P], first as they are.

    The first is summed in float64, the others as x and y are: of at most `chunk` images over their kernel matrices,
    O(N²) each; of more over chunks of features, O(N D E) each.
    """
    n = len(x)
    x_diagonal, x_rows = _diagonal_and_rows(x, chunk)
    y_diagonal, y_rows = (x_diagonal, x_rows) if y is x else _diagonal_and_rows(y, chunk)
    orders = [torch.arange(n, device=x.device), *(permutations if permutations is not None else ())]
    cross = torch.stack([_energy(x, y, chunk), *_permuted_energies(x, y, orders[1:], chunk)])

    def paired(left: Tensor, right: Tensor) -> Tensor:
        return torch.stack([left @ right[order] for order in orders])

    def constant(value: Tensor | float | int) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64, device=x.device).expand(len(orders))

    whole = PairSums(
        count=constant(n), pairs=constant(n * n), cross=cross, left=constant(x_rows.sum()),
        right=constant(y_rows.sum()), rows=paired(x_rows, y_rows),
    )  # fmt: skip
    return TwoSums(
        whole,
        PairSums(
            count=whole.count, pairs=constant(n * (n - 1)), cross=cross - paired(x_diagonal, y_diagonal),
            left=whole.left - x_diagonal.sum(), right=whole.right - y_diagonal.sum(),
            rows=paired(x_rows - x_diagonal, y_rows - y_diagonal),
        ),
    )  # fmt: skip


def resampled_sums(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n e"], weights: Float[Tensor, "n b"], *, rows: int = ROWS
) -> tuple[TwoSums, TwoSums, TwoSums]:
    """Sums of (x, y), (x, x) and (y, y) where image i was drawn `weights[i, b]` times; [B] each.

    One pass over the kernel matrices for all resamples, `rows` of them at once: O(N² (D + E + 3 B)), in the precision
    of x and y. Without the diagonal, an image is never paired with itself, however often it was drawn.
    """
    weights = weights.to(x.dtype)
    cross = torch.zeros(3, weights.shape[1], dtype=torch.float64, device=x.device)
    for start in range(0, len(x), rows):
        here = slice(start, start + rows)
        k, m = x[here] @ x.T, y[here] @ y.T
        for place, product in enumerate((k * m, k * k, m * m)):
            cross[place] += (weights[here] * (product @ weights)).double().sum(dim=0)
    w = weights.double()
    diagonals = [part.double().square().sum(dim=1)[:, None] for part in (x, y)]
    sums = [(part @ (part.T @ weights)).double() for part in (x, y)]  # Σⱼ Kᵢⱼ wⱼ, [N, B]
    chosen = ((0, 1), (0, 0), (1, 1))
    return tuple(  # type: ignore[return-value]
        _of_weights(w, cross[place], diagonals[a], diagonals[b], sums[a], sums[b])
        for place, (a, b) in enumerate(chosen)
    )


def _of_weights(
    w: Tensor, cross: Tensor, diagonal_k: Tensor, diagonal_l: Tensor, rows_k: Tensor, rows_l: Tensor
) -> TwoSums:
    count, twice = w.sum(dim=0), w.square()
    whole = PairSums(
        count=count, pairs=count.square(), cross=cross, left=(w * rows_k).sum(dim=0), right=(w * rows_l).sum(dim=0),
        rows=(w * rows_k * rows_l).sum(dim=0),
    )  # fmt: skip
    off_k, off_l = rows_k - diagonal_k * w, rows_l - diagonal_l * w
    return TwoSums(
        whole,
        PairSums(
            count=count, pairs=whole.pairs - twice.sum(dim=0),
            cross=cross - (twice * diagonal_k * diagonal_l).sum(dim=0), left=(w * off_k).sum(dim=0),
            right=(w * off_l).sum(dim=0), rows=(w * off_k * off_l).sum(dim=0),
        ),
    )  # fmt: skip


def _permuted_energies(x: Tensor, y: Tensor, orders: Sequence[Tensor], chunk: int) -> Iterator[Tensor]:
    if len(x) > chunk:
        yield from (_energy(x, y, chunk, order) for order in orders)
        return
    k, m = x @ x.T, y @ y.T
    yield from ((k * m.index_select(0, order).index_select(1, order)).sum(dim=1).double().sum() for order in orders)


def _energy(x: Tensor, y: Tensor, chunk: int, order: Tensor | None = None) -> Tensor:
    """Squared Frobenius norm of xᵀy, which is Σᵢⱼ KᵢⱼLᵢⱼ; in float64 unless y is permuted."""
    kind = torch.float64 if order is None else x.dtype
    total = torch.zeros(x.shape[1], y.shape[1], dtype=torch.float64, device=x.device)
    for start in range(0, len(x), chunk):
        here = slice(start, start + chunk)
        other = y[here] if order is None else y[order[here]]
        total += (x[here].to(kind).T @ other.to(kind)).double()
    return total.square().sum()


def _diagonal_and_rows(x: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """Of K = x xᵀ: its diagonal, and the sums of its rows; float64."""
    total = torch.stack([part.double().sum(dim=0) for part in x.split(chunk)]).sum(dim=0)
    parts = [(part.double().square().sum(dim=1), part.double() @ total) for part in x.split(chunk)]
    return torch.cat([one for one, _ in parts]), torch.cat([one for _, one in parts])
