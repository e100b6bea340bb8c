"""Long-running loops, and the processes that run them."""
