"""Deterministic simulation: all agents of an exchange, one seed, every fault that we know."""
