"""Work in processes of its own.

local     submit, pause, resume, stop, retry, fork, queue: what a dashboard does with runs
slots     one run per device, by file locks
forking   a run that takes over from another at a step
estimate  time and memory before the start, from past runs or from `calibrations` (measured in a process of its own)
estimate_rcig  the same for RCIG, whose steps cost something else
memory    how much of it is free
signals   SIGTERM and Ctrl-C as a wish
"""
