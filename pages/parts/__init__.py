"""What the pages share; what belongs to one page or one widget has a room of its own.

theme      colours, style sheet, titles, empty states
pickers    choose runs, data sets, backbones
address    choices in the URL
ways       one of a few ways to look at something
images     pictures by URL; thumbs.js shows thumbnails inside the components
charts     Plotly figures that look alike
status     state of a run, live, and the buttons that change it
distil_this  a group of the images that are seen, for Launch to distil
needed     runs that a page needs before it can show anything

server, launch, listing, watch, player, maps, looks, transfer, comparison, methods    a room each
"""
