"""The instruments: kinds of run that look at one backbone or one set and write what they find. Needs no torch.

>>> INSTRUMENTS["layers"]
'lgm_core.analysis.layer_sweep:sweep'
"""

# kind of run, which is its verb too -> "module:function": (bench, config, recorder), writes the run's findings
OF_SETS = ("patches", "style")  # those that look at the images of another run, their `source`
INSTRUMENTS: dict[str, str] = {
    "layers": "lgm_core.analysis.layer_sweep:sweep",
    "patches": "lgm_core.analysis.patches:show_patches",
    "style": "lgm_core.analysis.style:look_at_style",
    "backbone": "lgm_core.analysis.backbone_card:describe",
}
