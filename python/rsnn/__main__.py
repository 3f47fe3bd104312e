"""``python -m rsnn``: the command line."""

from rsnn.cli import main

raise SystemExit(main())
