"""The Runs page: `run_list`, all runs as rows."""
