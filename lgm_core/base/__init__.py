"""What everything stands on; nothing here imports another room.

errors      what may go wrong that a user can mend
names       unknown names are answered with the nearest known ones; names that are safe as file names
knobs       what a setting is: default, help, limits, unit; groups of settings to and from plain values
real_settings  those of the real data, its features, and the images that are not learned
pretrain_settings  those of pre-training by regression to a teacher's representations
align_settings  those of a run that compares backbones
look_settings  those of the instruments that look at one backbone, or at one set of images
files       files replaced atomically; JSON on disk, replaced or appended to; what is damaged is named, and set aside
json_text   JSON that can be counted with, walked and printed, whoever wrote it
litter      what a killed writer has left half written is removed
regular_files  no pipe, no device, no folder where a file belongs: they are refused, and nobody waits for them
disk_room   room on the disk for what is written through a memory map
seals       the digest in a file of tensors: one flipped bit is noticed
tensor_files  tensors on disk, written whole, sealed, and read as what was written (torch)
image_files images of anybody's: known formats, regular files, a bounded size, upright
remembered  what was read from a file, kept in memory until the file changes
locks       file locks that are asked for, renamed or handed on; whoever just waits for one uses filelock
settings    the settings that all methods share (no torch)
method_settings  a group of settings that one method reads, and what others may ask of it (no torch)
costs       what is known of the time and memory that a run takes (no torch)
places      where things lie on this machine; the only reader of environment variables for paths
download    files from elsewhere: resumed, verified, moved into place only when whole
machine     how much memory is free here (no torch)
device      device, precision, threads of a run (torch)
ranks       several processes that do one run together: shares, orders, agreement (torch)
rank_sums   tensors that they gather or sum, differentiable (torch)
interfaces  the nouns: ImageSet, Backbone, SyntheticSet, Distiller (torch)
"""
