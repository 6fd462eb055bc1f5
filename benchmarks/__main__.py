"""`python -m benchmarks [NAME...]`: run benchmarks one after the other; each prints its line and writes its JSON.

Exit 1 when a bar does not hold, 2 for an unknown name.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

from benchmarks.report import FAILED

_NOT_BENCHMARKS = {"__main__", "report", "support"}


def main(names: list[str]) -> int:
    known = [found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)])]
    known = [name for name in known if name not in _NOT_BENCHMARKS]
    unknown = set(names) - set(known)
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in names or known:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
    if FAILED:
        print(f"bars that do not hold: {', '.join(FAILED)}", file=sys.stderr)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
