"""One module for each kind of application: what its section of a topology file may say."""
