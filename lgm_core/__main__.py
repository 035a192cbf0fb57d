"""`python -m lgm_core VERB ...`: the same as the console command `lgm`."""

import sys

from lgm_core.cli.main import main

sys.exit(main())
