"""Tests of the bus library."""
