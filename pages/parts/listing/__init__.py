"""The page Runs: `run_list` (its table), `several` (what is done with ticked runs), `marks_form` (star, tags, note)."""
