"""How often Python looks for cyclic garbage in a process that must answer quickly."""

import gc

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 50


def calm() -> None:
    """Leave what is there by now alone, and look at old objects seldom.

    A look at all of a busy process's objects stops every thread for some 100 ms. With Python's own
    thresholds that came each second or two, also while the log's lock was held; young garbage
    is found as before.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
