"""Row and weights -> the network without its classifier: one short function per library.

Without weights the network is random: the shapes of a row can be checked without its files. Each library is imported
where it is used: together they take as long as torch, and a network trained from scratch, or of one's own, needs none.

>>> network = BUILDERS["timm"](find_row("dinov2_vits14"), state)
>>> network(torch.rand(2, 3, 224, 224)).shape
torch.Size([2, 384])
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from lgm_core.backbones.row import BackboneRow
from lgm_core.base.errors import UserError
from lgm_core.base.interfaces import State


def build_timm(row: BackboneRow, state: State | None) -> nn.Module:
    """timm loads the weights itself, and so adapts them as it would its own download (such as resampled positions)."""
    import timm

    arguments: dict[str, Any] = {"num_classes": 0, **row.model_args}
    if state is None:
        return timm.create_model(row.architecture, **arguments)
    config = timm.get_pretrained_cfg(row.architecture)
    heads = _classifiers(config.classifier if config else None)
    state = {name: tensor for name, tensor in state.items() if not name.startswith(heads)}
    # num_classes=0 here too: else timm takes the missing head for a reason to accept any missing key
    overlay = {"state_dict": state, "num_classes": 0, "custom_load": False}
    try:
        network = timm.create_model(row.architecture, pretrained=True, pretrained_cfg_overlay=overlay, **arguments)
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        raise UserError(str(error)) from error
    vars(network)["pretrained_cfg"].pop("state_dict")  # timm keeps what it loaded from: let the tensors go
    return network


def build_open_clip(row: BackboneRow, state: State | None) -> nn.Module:
    """The image tower only: its text tower is built as small as can be and dropped."""
    import open_clip

    no_text = open_clip.CLIPTextCfg(context_length=1, vocab_size=1, width=64, heads=1, layers=1)
    config: dict[str, Any] = open_clip.get_model_config(row.architecture.partition("/")[0])  # pyright: ignore
    quick = bool(config.get("quick_gelu") or row.model_args.get("quick_gelu"))
    model = open_clip.CLIP(config["embed_dim"], config["vision_cfg"], no_text, quick_gelu=quick)
    return _tokens_first(_loaded(model.visual, state))


def _tokens_first(tower: nn.Module) -> nn.Module:
    """Let a transformer's blocks work on [tokens, n, d] instead of [n, tokens, d]: the same values.

    With the images first, torch's attention projects a transposed view, for which it copies the weights once per image:
    on a CPU, bfloat16 was eight times as slow (docs/log.md, 2026-11-27).
    """
    from open_clip.transformer import Transformer

    stack = getattr(tower, "transformer", None)
    blocks = [getattr(block, "attn", None) for block in stack.resblocks] if isinstance(stack, Transformer) else []
    if isinstance(stack, Transformer) and all(isinstance(one, nn.MultiheadAttention) for one in blocks):
        for one in (stack, *blocks):
            one.batch_first = False  # type: ignore[union-attr]
    return tower


def build_torchvision(row: BackboneRow, state: State | None) -> nn.Module:
    """The networks that end in `classifier` after pooling."""
    import torchvision

    network = _loaded(torchvision.models.get_model(row.architecture, weights=None), state)
    network.classifier = nn.Identity()
    return network


def build_small_resnet(row: BackboneRow, state: State | None) -> nn.Module:
    """torchvision's network with a stem for 32 or 64 px: 3 x 3, stride 1, `padding` of the row, no max-pool.

    Barlow Twins' checkpoints are used with a padding of 2, so that 32 px become 34. MKDT specification, section 1.
    """
    import torchvision

    network = torchvision.models.get_model(row.architecture, weights=None)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=int(row.model_args["padding"]), bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    return _loaded(network, state)


BUILDERS: dict[str, Callable[[BackboneRow, State | None], nn.Module]] = {
    "timm": build_timm,
    "open_clip": build_open_clip,
    "torchvision": build_torchvision,
    "small_resnet": build_small_resnet,
}


def _classifiers(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Key prefixes of the classifier's modules, given their name or names in timm's table."""
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names or ()))


def _loaded(network: nn.Module, state: State | None) -> nn.Module:
    if state is not None:
        try:
            network.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise UserError(str(error)) from error
    return network
