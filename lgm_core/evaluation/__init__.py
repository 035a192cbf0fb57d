"""What a set of images is worth.

judge         reports of linear heads on frozen backbones; the short probe on the way
probe         train linear heads, and score any classifier
from_scratch  reports of networks trained from scratch
protocol      with which settings a set was judged: what can be compared (no torch)
"""
