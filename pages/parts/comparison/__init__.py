"""What Compare draws of images.

before_after  two pictures under one slider
sets_beside   the sets of several runs at one step, and the choice of two frames
"""
