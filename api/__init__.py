"""The HTTP side: decode, authorise, hand over, answer. No rules and no SQL of its own."""
