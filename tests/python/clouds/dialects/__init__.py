"""One module for each wire: `ask` reads a request strictly, `whole` and `events` say the answer in its words."""
