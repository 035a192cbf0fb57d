"""Work in processes of its own. Needs no torch; a worker loads it once it holds a device.

local         submit, pause, resume, stop, retry, fork, queue: what a dashboard does with runs
tickets       the queue on disk, in the order in which runs are served
attendance    that one process waits for each device that is wanted
waiter        the process that waits, and then is the worker of the next run
worker        what a process does that works on a run
slots         one run per device, or one on all of them, by file locks
crew          the processes of a run on several devices: started together, ended together
following     what all of these do but the first (torch)
sending       where runs go: this machine, a Ray cluster, Slurm
ray_cluster   runs as tasks of a Ray cluster
slurm         runs as jobs of Slurm
cluster_plan  what a run asks of a cluster: devices, cores, its sources, a node
cluster_work  what a task or job of a cluster does
study         a study as a list of runs
pairs         a study of contrast sets, one for each ordered pair
forking       a run that takes over from another at a step
estimate      time and memory before the start, from past runs or from `calibrations`
duration      how many steps a run of so many minutes has
calibrations  measured costs of a step, kept, and measured by a process of its own
effort        settings by rules, for the data set and the backbones that are chosen
signals       SIGTERM and Ctrl-C as a request to end
"""
