"""The page Runs: `run_list` (the rows of its table), `several` (what is done with those that are ticked)."""
