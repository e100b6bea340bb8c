"""What Aviary knows: pure messages, states and decisions, without I/O, clocks or ids."""
