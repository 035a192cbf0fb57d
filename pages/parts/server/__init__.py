"""What the server does beside drawing pages.

access      who may look, who may launch, behind a login
guard       what other origins may not do
routes      pictures by URL, and the read-only REST API
background  processes that outlive a page
ahead       loads what pages need before the first visitor asks
"""
