"""The ways to distil, as the Launch page tells of them: what each is for, its presets, its networks, its settings.

>>> method = pick_method()  # METHODS["rcig"]
>>> pick_preset(method)
'rcig_digits'
"""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from lgm_core.backbones.students.student_names import ARCHITECTURES, AUGMENTED
from lgm_core.config import RunConfig
from lgm_core.presets import PRESETS
from pages.parts.address import forget, put_into_url, state_key, take_from_url

DATASET = "scenes"  # where neither a preset nor a link says another


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to distil.

    `presets`: what is said of each; `networks`, `judges`: offered to distil and to judge with, None for the catalogue.
    """

    name: str
    title: str
    words: str
    presets: Mapping[str, str]
    default: str  # preset
    networks: tuple[str, ...] | None = None
    judges: tuple[str, ...] | None = None
    noun: str = "backbone"
    judged: str = "Linear heads are trained on the images in each of these, and tested on real images"
    further: tuple[str, ...] = ("normalisation",)  # settings outside of any group

    def begin(self, base: RunConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The backbones that its inputs begin with, to distil with and to judge with."""
        if self.networks is None:
            return ("tf_efficientnet_lite0",), ()
        return (base.backbone,), tuple(name for name in base.evaluate_on if name != base.backbone)


METHODS = {
    "lgm": Method(
        name="lgm", title="Linear Gradient Matching", default="standard",
        words="Images that teach a linear head on a frozen, pre-trained backbone.",
        presets={
            "preview": "**Preview**: a first look. About half a minute with a small backbone.",
            "standard": "**Standard**: our settings, for results. Minutes with a small backbone.",
            "paper": "**Paper**: the method to the letter, 5000 steps of ten views. Hours without a GPU.",
        },
    ),
    "rcig": Method(
        name="rcig", title="RCIG", default="rcig_digits",
        words="Images, labels and a temperature that teach a small network from scratch.",
        presets={
            "rcig_digits": "**Digits**: a first look, 8 px and a narrow network. Minutes on a CPU.",
            "rcig_preview": "**Preview**: a first look at CIFAR-10, with a narrow network. Minutes on a CPU.",
            "rcig_depth_3": "**Depth 3**: the paper's settings for CIFAR-10, CIFAR-100 and CUB at 32 px. Wants a GPU.",
            "rcig_depth_3_bn": "**Depth 3, batch norm**: as Depth 3, with normalised channels. Wants a GPU.",
            "rcig_depth_3_no_flip": "**Depth 3, no flip**: MNIST and Fashion-MNIST, 28 px. Wants a GPU.",
            "rcig_cifar100_50": "**CIFAR-100, 50**: 50 images per class of CIFAR-100. Wants a GPU with much memory.",
            "rcig_depth_4_200": "**Depth 4, 200**: Tiny ImageNet, 64 px, made for 1 image per class. Wants a GPU.",
            "rcig_depth_4_big": "**Depth 4, big**: Tiny ImageNet and ImageNet at 64 px, in subsets. Wants a GPU.",
            "rcig_depth_5": "**Depth 5**: Imagenette and Imagewoof at 128 px. Wants a GPU.",
        },
        networks=tuple(ARCHITECTURES),
        judges=tuple(f"{name}{end}" for end in ("", f":{AUGMENTED}") for name in ARCHITECTURES),
        noun="network", judged="Each is trained on the images from scratch, or a linear head on a frozen backbone "
        "whose name is typed in, and tested on real images; `:augmented` trains on augmented images",
        further=(),
    ),
}  # fmt: skip


def pick_method(key: str = "method") -> Method:
    """The method, from the control, the link, or the link's preset."""
    implied = PRESETS.get(st.query_params.get("preset", ""), {}).get("method")
    if implied and key not in st.query_params:
        st.query_params[key] = implied
    take_from_url(key, METHODS)
    chosen = st.segmented_control(
        "Method", list(METHODS), default=None if state_key(key) in st.session_state else "lgm", key=state_key(key),
        required=True, format_func=lambda name: METHODS[name].title, on_change=_another_method, args=(key,),
    )  # fmt: skip
    put_into_url(key, [chosen or "lgm"])
    method = METHODS[chosen or "lgm"]
    st.caption(method.words)
    return method


def pick_preset(method: Method, key: str = "preset") -> str:
    """One of the method's presets, with what there is to say about it."""
    state = state_key(key) if method.networks is None else state_key(key, method.name)
    take_from_url(key, method.presets, state=state)
    chosen = st.segmented_control(
        "Preset", list(method.presets), default=None if state in st.session_state else method.default, key=state,
        required=True, format_func=lambda name: method.presets[name].split("**")[1],
        on_change=_another_preset, args=(method, state), wrap=True,
    )  # fmt: skip
    put_into_url(key, [chosen or method.default])
    st.caption(method.presets[chosen or method.default])
    return chosen or method.default


def _another_method(key: str) -> None:
    """What was chosen for the other one means nothing here; the data set stays, unless the preset is made for one."""
    forget("preset", "backbones", "evaluate", "set")
    method = METHODS.get(st.session_state[state_key(key)] or "")
    if method is not None:
        _go_to(method.default)


def _another_preset(method: Method, state: str) -> None:
    if method.networks is not None:
        forget("backbones", "evaluate")
        _go_to(st.session_state[state] or method.default)


def _go_to(preset: str) -> None:
    """Some presets are made for one data set."""
    if "dataset" in PRESETS[preset]:
        st.query_params["dataset"] = PRESETS[preset]["dataset"]
