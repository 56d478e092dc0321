"""Host settings that cost latency."""
