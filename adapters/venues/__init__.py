"""Trading venues behind one port."""
