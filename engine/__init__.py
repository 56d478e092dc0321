"""The exchange's engine: sequencer, shards with their books, publisher."""
