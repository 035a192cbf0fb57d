"""The Launch page.

choices   methods and presets
ready     what is here of a data set or a backbone, and a button that fetches it
form      inputs from the config's own fields
plan      from choices to runs
estimate  time and memory before Start
link      settings in the URL
where     this machine, or a cluster
"""
