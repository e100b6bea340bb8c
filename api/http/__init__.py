"""What comes in over the wire: limits, logins, bodies, throttling."""
