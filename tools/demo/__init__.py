"""The demo: one real market day through the whole exchange, compared with what really happened."""
