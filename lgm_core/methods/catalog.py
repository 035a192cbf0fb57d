"""The ways to distil, a row each: what everybody else has to know of a method, and where its functions are. No torch.

>>> row = method_of(config)
>>> row.title, own_settings(config).side
('Linear Gradient Matching', 128)
>>> distiller = load(row.assemble)(own_settings(config), config, bench)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_type_hints

from lgm_core.base.method_settings import MethodSettings
from lgm_core.base.names import require_known
from lgm_core.base.settings import SharedConfig
from lgm_core.methods.lgm import presets as lgm_presets
from lgm_core.methods.lgm.lgm_settings import LGMSettings
from lgm_core.methods.mkdt import presets as mkdt_presets
from lgm_core.methods.mkdt.config import MKDTSettings
from lgm_core.methods.rcig import presets as rcig_presets
from lgm_core.methods.rcig.config import RCIGSettings


@dataclass(frozen=True, kw_only=True)
class ImportedSet:
    """What a run has to know of a published set: preset and network that it was made with, steps done, settings.

    `steps`: 0 where a run cannot go on with it.
    """

    preset: str
    network: str
    steps: int
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to distil. Functions are named as "module:name", a module by its name: they are loaded when needed.

    settings       class of the groups of settings that it reads; those that no other method has become part of a config
    distils_by     further settings, of groups that judging shares, on which its images depend: "scratch.width"
    presets        by name, what each changes against the defaults; `preset_words`: what each is for
    ablations      of a study, by name: changes, or own settings -> changes; `effort`: module of the rules (no torch)
    networks       what it distils with: "frozen" backbones, or a "student" that is trained from scratch
    exports        what it learns: "images", images with "labels", or images with "targets"
    joint          may it learn one set in several networks? `contrast`: settings for two different meanings to two
    opens          settings that name further networks whose features its runs use: "pretrain.teacher"
    high_loss      (own settings, shared settings, bench) -> the real images that are hardest for it, as rows
    assemble       (own settings, shared settings, bench) -> a distiller that is ready to step
    measure        (own settings, shared settings, classes, bench of noise) -> what a step costs here
    estimate       module with cost_of, from_past, from_measured, remedy (no torch)
    tabs           groups of settings on Launch, with titles for people; `fork_tabs`: those that a fork may change
    checkpoint_of  settings that a checkpoint's tensors belong to: with any of them changed only a picture is taken over
    along          what of a frame's details a fork takes along beside the picture
    memory_remedy  what to do when the device runs out of memory
    loss           what its loss is, in words; `by`: how a table names it beside a backbone
    importer       (file, data set, its classes or None) -> a published set of the authors as `ImportedSet`
    published      (own settings, shared settings, bench) -> that set, where it is taken up as a baseline
    page_part      draws what only its runs have on Watch; `report_part`: its tables in a report
    card_words     what an export says of its further tensors
    """

    name: str
    title: str
    words: str
    settings: type[MethodSettings]
    distils_by: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, Any]]
    preset_words: Mapping[str, str]
    default_preset: str
    effort: str = ""
    ablations: Mapping[str, Mapping[str, Any] | Callable[[Any], Mapping[str, Any]]] = field(default_factory=dict)
    networks: Literal["frozen", "student"]
    noun: str = "backbone"
    judged: str = "Linear heads are trained on the images in each of these, and tested on real images"
    exports: Literal["images", "labels", "targets"] = "images"
    joint: bool = False
    contrast: Mapping[str, Any] = field(default_factory=dict)
    opens: tuple[str, ...] = ()
    high_loss: str = ""
    assemble: str
    measure: str
    estimate: str
    tabs: Mapping[str, str]
    fork_tabs: tuple[str, ...]
    checkpoint_of: tuple[str, ...]
    along: str = ""
    fork_words: str = ""
    memory_remedy: str
    loss: str
    by: str = ""
    importer: str = ""
    published: str = ""
    page_part: str = ""
    report_part: str = ""
    card_words: tuple[str, ...] = field(default=())


_LGM = Method(
    name="lgm",
    title="Linear Gradient Matching",
    words="Images that teach a linear head on a frozen, pre-trained backbone.",
    settings=LGMSettings,
    presets=lgm_presets.PRESETS,
    preset_words=lgm_presets.WORDS,
    default_preset="standard",
    effort="lgm_core.methods.lgm.efforts",
    ablations=lgm_presets.ABLATIONS,
    networks="frozen", joint=True, contrast={"lgm": {"contrast": "rolled"}},
    assemble="lgm_core.methods.lgm.assembly:assemble",
    measure="lgm_core.methods.lgm.measure:measure",
    estimate="lgm_core.methods.lgm.estimate",
    tabs={
        "lgm": "Matching", "synthetic": "Images", "pyramid": "Pyramid", "augment": "Views", "data": "Real data",
        "bank": "Real features", "probe": "Probe", "live": "Live probe", "record": "Recording", "device": "Device",
    },
    fork_tabs=("lgm", "augment", "pyramid", "probe", "live", "record"),
    checkpoint_of=("synthetic", "backbone"),
    memory_remedy="Lower lgm.views, or set lgm.chunk (views per pass).",
    loss="distance of the gradients",
)  # fmt: skip

_RCIG = Method(
    name="rcig",
    title="RCIG",
    words="Images, labels and a temperature that teach a small network from scratch.",
    settings=RCIGSettings,
    distils_by=("scratch.resolution", "scratch.width", "scratch.depth", "scratch.transform", "scratch.flip"),
    presets=rcig_presets.PRESETS,
    preset_words=rcig_presets.WORDS,
    default_preset="rcig_digits",
    networks="student", noun="network",
    judged="Each is trained on the images from scratch, or a linear head on a frozen backbone whose name is typed in, "
    "and tested on real images; `:augmented` trains on augmented images",
    exports="labels",
    assemble="lgm_core.methods.rcig.assembly:assemble",
    measure="lgm_core.methods.rcig.measure:measure",
    estimate="lgm_core.methods.rcig.estimate",
    tabs={
        "rcig": "RCIG", "scratch": "Networks from scratch", "probe": "Heads on frozen backbones", "data": "Real data",
        "live": "Live network", "record": "Recording", "device": "Device",
    },
    fork_tabs=("rcig", "scratch", "probe", "live", "record"),
    checkpoint_of=(
        "synthetic", "backbone", "scratch.resolution", "scratch.width", "scratch.depth", "scratch.transform",
        "rcig.pool",
    ),
    along="lgm_core.methods.rcig.learned:learned_at",
    fork_words="From the last checkpoint everything goes on unchanged. At other steps labels and temperature are kept "
    "(labels of up to 100 images and 50 classes); optimiser, networks and learning rates start afresh.",
    memory_remedy="Set rcig.forward_chunk (synthetic images in memory at once), lower rcig.chunk (real images per "
    "pass), or lower scratch.width.",
    loss="cross-entropy on real images",
    by=" by RCIG",
    importer="lgm_core.methods.rcig.published:imported",
    page_part="pages.parts.methods.rcig:show",
    report_part="lgm_core.methods.rcig.learned:label_tables",
    card_words=(
        "  and what networks are trained on: `pixels` [N, K, S, S], the images as they are seen after the transform;",
        "  `targets` [N, C], the learned labels; `log_temperature`, learned beside them",
    ),
)  # fmt: skip

_MKDT = Method(
    name="mkdt",
    title="MKDT",
    words="Images and targets on which a small network is pre-trained, so that few labels are enough afterwards.",
    settings=MKDTSettings,
    distils_by=(
        "scratch.resolution", "scratch.width", "scratch.depth", "pretrain.teacher", "pretrain.teacher_steps",
        "pretrain.scale",
    ),
    presets=mkdt_presets.PRESETS,
    preset_words=mkdt_presets.WORDS,
    default_preset="mkdt_preview",
    networks="student", noun="network",
    judged="Each is pre-trained on the images with their targets; then a linear head is trained on few labelled real "
    "images and tested on others",
    exports="targets",
    opens=("pretrain.teacher",),
    high_loss="lgm_core.methods.mkdt.assembly:high_loss",
    assemble="lgm_core.methods.mkdt.assembly:assemble",
    measure="lgm_core.methods.mkdt.measure:measure",
    estimate="lgm_core.methods.mkdt.estimate",
    tabs={
        "mkdt": "MKDT", "pretrain": "Pre-training", "scratch": "Networks", "probe": "Heads on frozen backbones",
        "data": "Real data", "live": "Live network", "record": "Recording", "device": "Device",
    },
    fork_tabs=("mkdt", "pretrain", "live", "record"),
    checkpoint_of=(
        "backbone", "scratch.resolution", "scratch.width", "scratch.depth", "pretrain.teacher",
        "pretrain.teacher_steps", "pretrain.scale",
    ),
    fork_words="At the last checkpoint all goes on as it was. At another step the pictures are taken over, with the "
    "teacher's targets of these; the step size and the optimiser begin anew.",
    memory_remedy="Set mkdt.segment (steps of the student in memory at once), or lower mkdt.batch or scratch.width.",
    loss="distance of the student from the expert, as a share of the way that the expert went",
    by=" by MKDT",
    importer="lgm_core.methods.mkdt.imported_sets:imported",
    published="lgm_core.methods.mkdt.imported_sets:published_set",
    page_part="pages.parts.methods.mkdt:show",
    report_part="lgm_core.methods.mkdt.told:report_tables",
    card_words=(
        "  and what networks are pre-trained on: `pixels` [N, K, S, S], the images with standardised channels;",
        "  `targets` [N, D], vectors to regress to; `rate`, the step size that they were learned with",
    ),
)  # fmt: skip

METHODS: dict[str, Method] = {row.name: row for row in (_LGM, _RCIG, _MKDT)}


def method_of(config: SharedConfig) -> Method:
    """The row of a run's method. Raises `UnknownName` with the nearest names."""
    require_known(config.method, METHODS, "method")
    return METHODS[config.method]


def known_method(config: SharedConfig) -> Method | None:
    """The row of the method of a distillation; None for other kinds of run, and for a method of another version."""
    return METHODS.get(config.method) if config.kind == "distill" else None


def exported(config: SharedConfig) -> str:
    """What the set of a run's images is: "images", or images with "labels" or "targets"."""
    if config.kind == "baseline":
        return "targets" if config.baseline.choice == "imported" else "images"
    row = known_method(config)
    return row.exports if row else "images"


def own_settings(config: SharedConfig) -> Any:
    """The settings that the run's method reads, as an instance of `Method.settings`."""
    cls: Any = method_of(config).settings
    return cls(**{group.name: getattr(config, group.name) for group in fields(cls)})


def groups_of_methods() -> dict[str, type]:
    """The groups of settings that only methods have, by name: what a config has beside the shared ones."""
    shared = {group.name for group in fields(SharedConfig)}
    hints: dict[str, type] = {}
    for row in METHODS.values():
        hints |= {name: hint for name, hint in get_type_hints(row.settings).items() if name not in shared}
    return hints


def settings_read(config: SharedConfig) -> set[str]:
    """The groups of settings, of those that belong to methods, that this run's method reads."""
    return set(get_type_hints(method_of(config).settings))
