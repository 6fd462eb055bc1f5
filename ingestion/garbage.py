"""How often Python looks for objects that only refer to each other."""

import atexit
import gc


def collect_rarely(young: int = 100_000, middle: int = 10, old: int = 10) -> None:
    """For when all that stays is loaded: no more is it looked through, and what is new less often.

    Each look stops all threads. The numbers are `gc.set_threshold`'s. When Python ends all is looked through once more,
    as without this: else libraries that count what they gave out tell of it as lost, on stderr.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    gc.set_threshold(young, middle, old)
