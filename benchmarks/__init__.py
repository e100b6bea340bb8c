"""What the performance table is made with: real processes, and the limit measured beside them."""
