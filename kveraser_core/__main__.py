"""`python -m kveraser_core`."""

from kveraser_core.cli.main import main

raise SystemExit(main())
