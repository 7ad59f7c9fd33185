"""The page in the browser: `abm dashboard`. Needs the extra `dashboard`."""
