"""Acts on intents: open effects are taken, venues asked, and what they say is recorded."""
