"""The command line's verbs, a short function each.

compute  distill, baseline, evaluate, import, embed, align, study, fork, resume, retry, bench: in the foreground
control  pause, stop, queue, estimate; and what worker processes are started with: work, calibrate
look     show, list, fetch
"""
