"""What a set of images is worth.

catalog       the protocols, a row each: how a set is judged (no torch)
protocol      the key of an evaluation: how a set was judged, and what can be compared (no torch)
judge         judge a set by the protocol that a key names
heads         the protocol "paper": linear heads on frozen backbones
from_scratch  the protocol "scratch": networks trained from scratch
probe         train linear heads, and score any classifier
live          the live accuracy, measured during a distillation
work          how long an evaluation takes (no torch)
"""
