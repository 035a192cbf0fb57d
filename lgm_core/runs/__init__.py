"""Runs on disk: the record. The reading side needs no torch.

store     all runs in one folder: found, listed, made
folder    one run: all file names of its folder; reading it
identity  when two runs are the same
marks     what a person says of a run: note, star, tags
status    what a run says of itself: state, step, heartbeat
old_configs  config.json of any version, read in today's terms
index     what lists need to know of all runs, without reading all configs
shapes    what has to be in the files of a run for readers to use them
misfits   what of plain values is not of a shape; finding_shapes: those of what instruments find
damage    which of a run's files are damaged, in sentences
example   the finished run that comes with the program
trash     runs that were put away, and back
used_groups  the collections of groups that a run's data sets consist of, and the run's copy of them
less_memory  a run that failed goes on with less in memory at once
start     a config becomes a run folder
heart     the sign of life of whoever works on a run
lease     who may write to a run that several machines see
limits    how many runs, how many that wait, how much room on the disk
recorder  the only writer (torch); `logged`: its log
checkpoints  the last one, and the one before it (torch)
frames    pictures of the synthetic set: at which steps, and all images of a step as one atlas
drawing   frames encoded beside the steps of a run
source_runs  the sets of images that runs hold, and the runs that a run looks at (torch)
"""
