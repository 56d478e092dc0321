"""The message bus: shared-memory lanes and multicast rings, and what runs agents on them."""
