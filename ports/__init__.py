"""Ports: where clients meet the exchange."""
