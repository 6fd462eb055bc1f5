"""The delivery ids a journal still knows, in memory; the journal's file is what they are restored from."""

ID_BYTES = 16
HOUR = 3_600_000_000
_GENERATIONS = 8


class KnownIds:
    """Ids of the last `keep_hours` (0.1 KB each), forgotten an eighth of that time at once; times in microseconds."""

    def __init__(self, keep_hours: int) -> None:
        self._span = max(1, keep_hours * HOUR // _GENERATIONS)
        self._generations: dict[int, set[bytes]] = {}

    def __contains__(self, delivery_id: bytes) -> bool:
        for ids in self._generations.values():  # noqa: SIM110 - `any` takes three times as long
            if delivery_id in ids:
                return True
        return False

    def __len__(self) -> int:
        return sum(map(len, self._generations.values()))

    def add(self, delivery_id: bytes, at: int) -> None:
        generation = self._generations.get(at // self._span)
        if generation is None:
            generation = self._generations[at // self._span] = set()
        generation.add(delivery_id)

    def forget_before(self, at: int) -> None:
        """Drop generations that lie wholly before `at`."""
        for number in [number for number in self._generations if (number + 1) * self._span <= at]:
            del self._generations[number]
