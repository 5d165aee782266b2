"""The vendors' clients before the gateway, each against unlike upstreams: what one speaks, the other does not."""
