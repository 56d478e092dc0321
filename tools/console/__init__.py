"""The operator's console: what commands are, how they are sequenced, and what the stream says."""
