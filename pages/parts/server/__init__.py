"""What the server does beside drawing pages.

access      who may look, who may launch, behind a login
guard       what other origins may not do
endpoints   what every address does: who may ask, which files, errors as sentences
routes      pictures by URL, and the read-only REST API
api_document  the addresses and their answers as an OpenAPI document
background  processes that outlive a page
ahead       loads what pages need before the first visitor asks
"""
