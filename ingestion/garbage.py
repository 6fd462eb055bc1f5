"""How often Python looks for objects that only refer to each other."""

import gc


def collect_rarely(young: int = 100_000, middle: int = 10, old: int = 10) -> None:
    """For when all that stays is loaded: no more is it looked through, and what is new less often.

    Each look stops all threads. The numbers are `gc.set_threshold`'s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, old)
