"""`python -m melious.cli`: the `melious` command where its script is not on the path."""

import sys

from melious.cli import main

sys.exit(main())
