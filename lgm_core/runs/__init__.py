"""Runs on disk.

store     all file names of a run folder; reading it
status    what a run says of itself: state, step, heartbeat
files     JSON lines and atomic replacement
start     a config becomes a run folder
heart     the sign of life of whoever works on a run
recorder  the only writer (needs torch)
frames    its pictures
summary   results of many runs as one table
matrix    a study as a matrix, with every cell's state
judging   with which settings sets were judged: what can be compared
pictures  the images of a run as pictures, without torch
command   the command that does a run again
markup    pieces of HTML that stand alone
learned   labels that a run learned, for its report
report    one run or study as a single HTML file
site      a gallery of runs as plain pages
levels    pyramid levels of the last checkpoint as pictures
timelapse the film of a run: MP4, WebP, GIF
card      export of a set: tensors, pictures and a card
"""
