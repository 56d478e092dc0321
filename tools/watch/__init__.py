"""Watching an exchange that is up: what `ringbus top` and `ringbus metrics` show."""
