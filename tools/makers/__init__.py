"""How a core process makes what runs in it; loaded by the core that does."""
