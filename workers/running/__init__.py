"""Processes: what each is made of, how it is started, watched, and seen to be alive."""
