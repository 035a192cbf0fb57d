"""The command line.

main     which verbs there are, and how their mistakes are told
compute  distill, baseline, import, embed, align, study, fork, resume, retry
foreground runs done in the terminal, one by one; what every verb that makes runs comes to
judging  evaluate: the images of a run or folder, judged further
instruments  layers, backbone, patches, style: what one backbone sees, what one set looks like
pairing  allegiance: contrast sets of pairs of backbones, and whose side the others take
clustering submit: runs sent to a Ray cluster or to Slurm
control  pause, stop, queue, estimate, bench, note; and what worker processes are started with: work, calibrate
deleting delete: to the trash, and back
look     show, list, fetch
sharing  report, gallery, export, timelapse: files to keep or to pass on
caching  cache: what can be had again, how large it is, and dropped
doctor   is all well here: packages, devices, folders, runs
flags    command-line flags, made from the config's own fields
number_words what is said of a value that is no number
console  progress bars and tables
grouping  groups of images: list, show, add, drop
listing  what there is, as rows of text
bench    what a step costs, beside the bare forward + backward and the paper's literal step
measuring what a run costs here: a few steps on noise, an image in each of its judges
"""
