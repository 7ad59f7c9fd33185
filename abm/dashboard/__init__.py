"""The interactive page, `abm dashboard`. Needs the extra `dashboard`."""
