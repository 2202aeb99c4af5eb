"""`python -m kveraser_core`."""

from kveraser_core.cli import main

raise SystemExit(main())
