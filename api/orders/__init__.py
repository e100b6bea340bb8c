"""Orders: placing, cancelling, closing, limits, the kill switch, lists."""
