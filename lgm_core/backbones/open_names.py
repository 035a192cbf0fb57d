"""Complete the row of an open name from the library's own table of pre-trained models, imported when it is asked.

>>> complete(find_row("timm:resnet18.a1_in1k")).mean
(0.485, 0.456, 0.406)
>>> complete(find_row("open_clip:ViT-B-32/laion2b_s34b_b79k")).source
Hub(repo='laion/CLIP-ViT-B-32-laion2B-s34B-b79K', file='open_clip_model.safetensors', revision='main', sha256='')
"""

from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open

from lgm_core.backbones.row import BackboneRow, Hub, Local, Url
from lgm_core.base.errors import Unavailable, UnknownName, UserError
from lgm_core.base.names import unknown
from lgm_core.base.regular_files import require_regular


def complete(row: BackboneRow) -> BackboneRow:
    """The row with source, input size, mean and std; a row of the catalogue as it is. Raises `UnknownName`."""
    if row.input_size:
        return row
    return _COMPLETE[row.builder](row)


def _complete_timm(row: BackboneRow) -> BackboneRow:
    import timm
    from timm.data import resolve_data_config  # pyright: ignore[reportPrivateImportUsage]

    if isinstance(row.source, Local) and not row.architecture:
        row = replace(row, architecture=_stated_architecture(row.source.path))
    known = timm.is_model(row.architecture.partition(".")[0])
    try:
        config = timm.get_pretrained_cfg(row.architecture, allow_unregistered=False) if known else None
    except RuntimeError:  # the model is known, the tag is not
        config = None
    if config is None:
        names = [*timm.list_models(), *timm.list_pretrained()]
        raise UnknownName(unknown(row.architecture, names, "timm model"))
    data = resolve_data_config(pretrained_cfg=config.to_dict())
    source = row.source
    if source is None and config.hf_hub_id:
        source = Hub(config.hf_hub_id, config.hf_hub_filename or "model.safetensors")
    elif source is None and config.url:
        source = Url(str(config.url))
    if source is None or (config.custom_load and row.source is None):
        raise UserError(f"timm has no weights of {row.architecture!r} that can be opened as tensors")
    return replace(
        row, source=source, input_size=data["input_size"][-1], mean=data["mean"], std=data["std"],
        licence=config.license or row.licence, citation=config.paper_name or row.citation,
    )  # fmt: skip


def _complete_open_clip(row: BackboneRow) -> BackboneRow:
    import open_clip

    name, _, tag = row.architecture.partition("/")
    if name not in open_clip.list_models():
        raise UnknownName(unknown(name, open_clip.list_models(), "open_clip model"))
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise UnknownName(unknown(tag, tags, f"tag of {name}"))
    config = open_clip.get_pretrained_cfg(name, tag)
    repo, _, file = config.get("hf_hub", "").rpartition("/")
    source = Hub(repo, file or "open_clip_model.safetensors") if repo else Url(config["url"])
    size = (open_clip.get_model_config(name) or {})["vision_cfg"].get("image_size", 224)
    return replace(
        row, source=source, input_size=size if isinstance(size, int) else size[0], mean=tuple(config["mean"]),
        std=tuple(config["std"]), model_args={"quick_gelu": bool(config.get("quick_gelu"))},
    )  # fmt: skip


def _told_by_itself(row: BackboneRow) -> BackboneRow:
    """A network of the user's own says what it is once it is opened (own_network.py)."""
    return row


_COMPLETE = {"timm": _complete_timm, "open_clip": _complete_open_clip, "python": _told_by_itself}


def _stated_architecture(path: Path) -> str:
    """The `architecture` in the header of a safetensors file."""
    require_regular(path)
    if not path.exists():
        raise Unavailable(f"{path} does not exist")
    header = {}
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="numpy") as file:
                header = file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} cannot be opened as weights ({error}); replace it with an intact file") from error
    if architecture := header.get("architecture"):
        return architecture
    raise UserError(
        f"{path} does not say which network it is for: name the timm architecture, as in file:{path}?timm=resnet18, "
        "or store it in the header of a safetensors file under `architecture`"
    )
