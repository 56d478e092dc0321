"""One module for each kind of application: its options, and how a core makes it."""
