"""Fifteen countries: how telephone numbers, postal codes and streets look there, and which mailboxes people have."""

from typing import NamedTuple


class Country(NamedTuple):
    """`mobile` and `landline` are beginnings of national numbers of `digits` digits; `#` in `postcode` is a digit."""

    code: str
    locale: str
    share: float
    calling_code: str
    trunk: str
    digits: int
    mobile: tuple[str, ...]
    landline: tuple[str, ...]
    postcode: str
    street: str  # {name} and {number}
    short_street: str  # the same, as others abbreviate it
    cities: tuple[str, ...]
    domains: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


_COMMON = _words("gmail.com gmail.com gmail.com gmail.com outlook.com hotmail.com icloud.com yahoo.com")

COUNTRIES = (
    Country(
        *("US", "en_US", 0.24, "1", "", 10),
        *(_words("212 415 617 312 206 404 512 303 702 305 718 916"), _words("213 310 646 773 214 713 602 503 614 919")),
        *("#####", "{number} {name} Street", "{number} {name} St"),
        _list("New York, Los Angeles, Chicago, Houston, Phoenix, Seattle, Denver, Boston, Portland, Atlanta, Miami"),
        (*_COMMON, "aol.com", "comcast.net"),
    ),
    Country(
        *("GB", "en_GB", 0.12, "44", "0", 10),
        *(_words("7400 7511 7700 7812 7911"), _words("20 121 131 141 161 113")),
        *("@@# #@@", "{number} {name} Road", "{number} {name} Rd"),
        _list("London, Birmingham, Leeds, Glasgow, Sheffield, Manchester, Edinburgh, Liverpool, Bristol, Cardiff"),
        (*_COMMON, "btinternet.com", "yahoo.co.uk"),
    ),
    Country(
        *("DE", "de_DE", 0.13, "49", "0", 11),
        *(_words("151 160 170 171 175 176 179"), _words("30 40 89 221 69 711")),
        *("#####", "{name}straße {number}", "{name}str. {number}"),
        _list("Berlin, Hamburg, München, Köln, Frankfurt am Main, Stuttgart, Düsseldorf, Leipzig, Bremen, Nürnberg"),
        (*_COMMON, "gmx.de", "gmx.de", "web.de", "t-online.de"),
    ),
    Country(
        *("FR", "fr_FR", 0.08, "33", "0", 9),
        *(_words("6 7"), _words("1 2 3 4 5")),
        *("#####", "{number} rue {name}", "{number} r. {name}"),
        _list("Paris, Marseille, Lyon, Toulouse, Nice, Nantes, Strasbourg, Montpellier, Bordeaux, Lille"),
        (*_COMMON, "orange.fr", "free.fr", "laposte.net"),
    ),
    Country(
        *("ES", "es_ES", 0.06, "34", "", 9),
        *(_words("6 7"), _words("91 93 95 96")),
        *("#####", "Calle {name} {number}", "C/ {name}, {number}"),
        _list("Madrid, Barcelona, Valencia, Sevilla, Zaragoza, Málaga, Murcia, Bilbao"),
        (*_COMMON, "hotmail.es", "telefonica.net"),
    ),
    Country(
        *("IT", "it_IT", 0.06, "39", "", 10),
        *(_words("320 333 338 347 349"), _words("02 06 011 081")),
        *("#####", "Via {name} {number}", "V. {name}, {number}"),
        _list("Roma, Milano, Napoli, Torino, Palermo, Genova, Bologna, Firenze"),
        (*_COMMON, "libero.it", "alice.it"),
    ),
    Country(
        *("PL", "pl_PL", 0.05, "48", "", 9),
        *(_words("50 51 60 66 69 72 78 88"), _words("12 22 32 42 58 61 71")),
        *("##-###", "ulica {name} {number}", "ul. {name} {number}"),
        _list("Warszawa, Kraków, Łódź, Wrocław, Poznań, Gdańsk, Szczecin, Lublin"),
        (*_COMMON, "wp.pl", "onet.pl", "o2.pl"),
    ),
    Country(
        *("NL", "nl_NL", 0.04, "31", "0", 9),
        *(_words("6"), _words("10 20 30 40 70")),
        *("#### @@", "{name}straat {number}", "{name}str {number}"),
        _list("Amsterdam, Rotterdam, Den Haag, Utrecht, Eindhoven, Groningen"),
        (*_COMMON, "ziggo.nl", "kpnmail.nl"),
    ),
    Country(
        *("SE", "sv_SE", 0.03, "46", "0", 9),
        *(_words("70 72 73 76"), _words("8 31 40")),
        *("### ##", "{name}gatan {number}", "{name}g. {number}"),
        _list("Stockholm, Göteborg, Malmö, Uppsala, Västerås, Örebro"),
        (*_COMMON, "telia.com", "hotmail.se"),
    ),
    Country(
        *("BR", "pt_BR", 0.05, "55", "0", 11),
        *(_words("119 219 319 419 519"), _words("113 213 313 413")),
        *("#####-###", "Rua {name}, {number}", "R. {name} {number}"),
        _list("São Paulo, Rio de Janeiro, Brasília, Salvador, Fortaleza, Belo Horizonte, Curitiba"),
        (*_COMMON, "uol.com.br", "bol.com.br"),
    ),
    Country(
        *("RU", "ru_RU", 0.04, "7", "8", 10),
        *(_words("903 905 910 916 921 926"), _words("495 499 812 343")),
        *("######", "улица {name}, {number}", "ул. {name}, {number}"),
        _list("Москва, Санкт-Петербург, Новосибирск, Екатеринбург, Казань, Самара"),
        (*_COMMON, "mail.ru", "mail.ru", "yandex.ru"),
    ),
    Country(
        *("GR", "el_GR", 0.03, "30", "", 10),
        *(_words("690 693 694 697"), _words("210 231 261")),
        *("### ##", "Οδός {name} {number}", "{name} {number}"),
        _list("Αθήνα, Θεσσαλονίκη, Πάτρα, Ηράκλειο, Λάρισα"),
        (*_COMMON, "otenet.gr"),
    ),
    Country(
        *("JP", "ja_JP", 0.03, "81", "0", 10),
        *(_words("70 80 90"), _words("3 6 52")),
        *("###-####", "{name}町{number}番地", "{name}町{number}"),
        _list("東京, 大阪市, 横浜市, 名古屋市, 札幌市, 神戸市, 京都市"),
        (*_COMMON, "docomo.ne.jp", "softbank.ne.jp"),
    ),
    Country(
        *("KR", "ko_KR", 0.02, "82", "0", 10),
        *(_words("10"), _words("2 31 51")),
        *("#####", "{name}로 {number}", "{name}로{number}"),
        _list("서울, 부산, 인천, 대구, 대전, 광주"),
        (*_COMMON, "naver.com", "naver.com", "daum.net"),
    ),
    Country(
        *("IN", "en_IN", 0.02, "91", "0", 10),
        *(_words("98 97 96 88 70"), _words("11 22 33 44 80")),
        *("######", "{number} {name} Nagar", "{number}, {name} Ngr"),
        _list("Mumbai, Delhi, Kolkata, Chennai, Bengaluru, Hyderabad, Pune"),
        (*_COMMON, "rediffmail.com"),
    ),
)
