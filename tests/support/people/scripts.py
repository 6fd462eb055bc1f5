"""Names in other letters: accents dropped, German digraphs, Latin for Cyrillic, Greek and Hangul."""

import unicodedata
from functools import lru_cache


def _spelled(letters: str, spellings: str) -> dict[str, str]:
    """Spellings stand one blank apart; two blanks enclose an empty one."""
    return dict(zip(letters, spellings.split(" "), strict=True))


_SMALL = {
    **_spelled("абвгґдеёєжзиіїйклмно", "a b v g g d e e ye zh z i i yi y k l m n o"),
    **_spelled("прстуфхцчшщъыьэюя", "p r s t u f kh ts ch sh shch  y  e yu ya"),
    **_spelled("αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o"),
    **_spelled("ßøłđæœıðþ", "ss o l d ae oe i d th"),
}
_LETTERS = {ord(letter): spelling for letter, spelling in _SMALL.items()}
_LETTERS |= {ord(one.upper()): spelling.capitalize() for one, spelling in _SMALL.items() if len(one.upper()) == 1}
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_INITIALS = "g.kk.n.d.tt.r.m.b.pp.s.ss..j.jj.ch.k.t.p.h"
_VOWELS = "a.ae.ya.yae.eo.e.yeo.ye.o.wa.wae.oe.yo.u.wo.we.wi.yu.eu.ui.i"
_FINALS = ".k.k.k.n.n.n.t.l.k.m.l.l.l.p.l.m.p.p.t.t.ng.t.t.k.t.p.t"


@lru_cache(maxsize=200_000)
def latin(name: str) -> str:
    """The name in plain Latin letters; what has none here, as Chinese characters, stays as it is."""
    if name.isascii():
        return name
    text = "".join(_hangul(letter) if "가" <= letter <= "힣" else letter for letter in name)
    if "가" <= name[0] <= "힣":
        text = text.capitalize()
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).translate(_LETTERS)


def without_umlauts(name: str) -> str:
    """As Germans write it without the letters: Müller becomes Mueller."""
    return name.translate(_DIGRAPHS)


def _hangul(letter: str) -> str:
    number = ord(letter) - ord("가")
    places = (_INITIALS, number // 588), (_VOWELS, number % 588 // 28), (_FINALS, number % 28)
    return "".join(parts.split(".")[place] for parts, place in places)
