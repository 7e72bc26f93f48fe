"""Checks of what `infra/` deploys, without Azure: `python -m tools.templates`."""
