"""What a set of images is worth.

catalog       the protocols, a row each: how a set is judged (no torch)
protocol      the key of an evaluation: how a set was judged, and what can be compared (no torch)
judge         judge a set by the protocol that a key names
contrast      whose meaning is found, of images that mean two classes
seen          what a frozen backbone sees of a judged set and of the test images
nearest_mean  the protocol "nearest-mean": the nearest class mean
nearest_image the protocol "1-nn": the nearest judged image
converged     the protocol "converged": a regularised head at its optimum
heads         the protocol "paper": linear heads on frozen backbones
from_scratch  the protocol "scratch": networks trained from scratch
pretraining   the protocol "pretrain": networks pre-trained on a set, then a linear head on few labels
label_probe   that linear head, by L-BFGS
probe         train linear heads, and score any classifier
live          the live accuracy, measured during a distillation
work          how long an evaluation takes (no torch)
"""
