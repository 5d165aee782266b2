"""How each cloud knows its caller, checked with the vendors' own code, and the token endpoints behind them."""
