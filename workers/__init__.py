"""Long-running loops, and the process runner that keeps them alive."""
