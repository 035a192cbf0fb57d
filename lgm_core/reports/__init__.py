"""Reports, tables, films and exports of runs. Needs no torch.

summary   results of many runs as one table
labels    what made a set of images, in words, and what tells it from others of these words
unfinished which runs of a study have no result yet
unseen    the worst judge that took no part; `budget`: what the images cost
balance   how many images a set has of each class
matrix    a study as a matrix, with every cell's state
growth    what further images of a class are worth, in each judge
disagreement  where backbones disagree, as an align run found it
comparison_page  the same as sections of a report
allegiance  whose meaning of a contrast set each judge finds
foretold  whether alignment or transfer foretells it
transfer  whether transfer follows alignment: r over all ordered pairs, with its interval
draws     how much a set's accuracy changes with its seed
confusion which classes a report finds hard, and what they are taken for
result_tables  the results of a study as HTML
page      one run or study as a single HTML file
origin    what is needed to do a run again, as part of its report
used_weights  which weights runs worked with
site      a gallery of runs as plain pages
live_curves  the accuracies of a run in its metrics, in words
film      the time-lapse of a run: MP4, WebP, GIF
card      export of a set: tensors, pictures and a card
pushing   a finished set goes to the model hub as a data set
findings  what an instrument has found, as tables of text
command   the command that does a run again
pictures  the images of a run as pictures
markup    pieces of HTML that stand alone
"""
