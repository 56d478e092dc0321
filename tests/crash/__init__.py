"""Real processes under load on real sockets, killed at random: what was promised must hold."""
