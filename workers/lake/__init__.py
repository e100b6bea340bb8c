"""The only writer of the lake: folds the log into it, takes in the spool, and keeps it small."""
