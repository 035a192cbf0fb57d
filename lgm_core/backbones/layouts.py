"""Key names of a checkpoint -> key names of the architecture that loads it.

A layout may be applied twice: what has the right names already passes through.

>>> LAYOUTS["moco_v3"](state, row).keys()
dict_keys(['cls_token', 'pos_embed', 'patch_embed.proj.weight', ...])
"""

from collections.abc import Callable

import torch

from lgm_core.backbones.row import BackboneRow
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import State


def native(state: State, row: BackboneRow) -> State:
    """The names are the library's own."""
    return state


def clip_visual(state: State, row: BackboneRow) -> State:
    """The image tower of a whole CLIP: `visual.conv1.weight` -> `conv1.weight`; the text tower is dropped."""
    return _inside(state, "visual.")


def moco_v3(state: State, row: BackboneRow) -> State:
    """The encoder of a MoCo v3 checkpoint, as released (`module.base_encoder.`) or as fine-tuned (`module.`).

    The momentum encoder and the predictor are dropped here, the projection head by the builder. The names inside are
    timm's, and the fixed sine-cosine position table is stored with them. github.com/facebookresearch/moco-v3
    """
    for prefix in ("module.base_encoder.", "base_encoder.", "module."):
        state = _inside(state, prefix)
    return state


def same_order(state: State, row: BackboneRow) -> State:
    """Other names, but the tensors and their order are those of timm's architecture: renamed, shapes checked."""
    import timm

    with torch.device("meta"):
        wanted = timm.create_model(row.architecture).state_dict()
    if state.keys() == wanted.keys():
        return state
    if [tensor.shape for tensor in state.values()] != [tensor.shape for tensor in wanted.values()]:
        raise UserError(f"these weights are not {row.architecture}: their shapes or their order differ")
    return dict(zip(wanted, state.values(), strict=True))


def small_resnet(state: State, row: BackboneRow) -> State:
    """A ResNet that was trained on small images, as several programs store it, without classifier and projector.

    Names may begin with the wrapper's (`module.`, `encoder.`, ...); the stem may have one of its own (`stem.conv1`, of
    SAS); the children may be numbered (`f.0`, `f.1`, `f.3` ..., of Mix-BT, with a `f.3` that is a max-pool or none).
    """
    for prefix in ("module.", "backbone.", "encoder.", "net."):
        state = _inside(state, prefix)
    if any(name.startswith("f.") for name in state):
        inside = _inside(state, "f.")
        first = min(int(name.split(".")[0]) for name in inside if ".conv1." in name)  # of the first stage
        known = {"0": "conv1", "1": "bn1"} | {str(first + stage): f"layer{stage + 1}" for stage in range(4)}
        names = {name: name.partition(".") for name in inside}
        state = {f"{known[top]}.{rest}": inside[name] for name, (top, _, rest) in names.items() if top in known}
    state = {name.removeprefix("stem."): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in state.items() if name.startswith(("conv1.", "bn1.", "layer"))}


LAYOUTS: dict[str, Callable[[State, BackboneRow], State]] = {
    "native": native,
    "clip_visual": clip_visual,
    "moco_v3": moco_v3,
    "same_order": same_order,
    "small_resnet": small_resnet,
}


def _inside(state: State, prefix: str) -> State:
    """The tensors below `prefix`, without it; all of them where none is."""
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return inside or state
