"""Command line tools: schema, launcher, load, histograms, replay, benchmarks."""
