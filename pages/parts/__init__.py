"""What the pages share.

The frame      theme (colours, style sheet, titles, empty states), pickers (runs, data sets, backbones),
               address (choices in the URL), ways (one of a few ways to look), images (URLs of pictures),
               charts (Plotly that looks alike)
The server     routes (pictures by URL, REST API), background (processes that outlive the page), ahead (loads at start)
Launch         methods (what each offers, its presets), ready (what is here, fetch), form (inputs from the config),
               plan (choices to runs), estimate, link (settings in the URL)
Runs, Watch    run_list, player (one scrubber for all), status (state and buttons), fork, export, details,
               rcig (learned labels, loss traces, gradients)
Maps           map, embedded, gallery, neighbourhood, needed
Transfer       matrix, alignment, opened, before_after
"""
