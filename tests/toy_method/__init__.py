"""Toy: images that move towards the mean picture of their class. An example of what a new method has to offer.

config    its settings, a group that becomes flags, form fields and limits; the check of several together (no torch)
presets   starting points by name, and what Launch says of each (no torch)
assembly  from the settings to a distiller that is ready to step
step      the distiller: one step, what it exports, what a checkpoint holds
estimate  what a run will take, told from runs of the past or from measured steps (no torch)
measure   what a step costs here
"""
