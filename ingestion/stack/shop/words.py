"""What the shop's texts are made of: plain for most rows, awkward for some."""

# Names that break careless code: other scripts, combining marks, right-to-left, quotes, separators, look-alike nulls.
GIVEN_NAMES = (
    *(
        "Ada",
        "Noor",
        "Sofía",
        "Jürgen",
        "Zoë",
        "Łukasz",
        "Siobhán",
        "Ngọc",
        "Chloé",
        "Anaïs",
        "Bjørn",
        "Ольга",
        "Дмитро",
    ),
    *("美咲", "伟", "지훈", "مريم", "דוד", "अनिका", "ปรีชา", "Ελένη", "José", "Jose\u0301", "Mary-Jane", "D'Arcy"),
)
FAMILY_NAMES = (
    *("Lovelace", "Haddad", "García Márquez", "Groß", "O'Neill", "Kowalski", "Nguyễn", "Müller", "Sørensen", "Иванова"),
    *(
        "佐藤",
        "王",
        "김",
        "الحسن",
        "כהן",
        "शर्मा",
        "ใจดี",
        "Παππά",
        "van der Berg",
        "Null",
        "Smith, Jr.",
        "de\u00a0la\u00a0Cruz",
    ),
)
AWKWARD = (
    "",
    " ",
    "NULL",
    "\\N",
    "\\",
    "N/A",
    "'; drop table users; --",
    '"quoted", with comma',
    "line one\nline two\r\nline three",
    "tab\there",
    "trailing space ",
    "🧊❄️ ice, 👩‍👩‍👧‍👦 family, 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "\u202eright to left",
    "zero\u200bwidth",
    "ﬁ ligature, ß, İ, ı, ſ",  # noqa: RUF001 - letters whose case changes their number
    "{'single': \"json\"}",
    "<b>&amp;</b>",
    "%s %d {} ${HOME}",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 beyond the first plane",  # noqa: RUF001 - that is its point
    "a" * 300,
)
NOTES = ("Leave at the door", "Bitte klingeln", "Sonner deux fois", "お急ぎ便", "Подарок", "call me", "no plastic")
COUNTRIES = ("DE", "US", "JP", "KW", "BR", "IN", "FR", "GB", "PL", "EG", "CN", "GR")
# currency, digits after the point, weight
CURRENCIES = (("EUR", 2), ("USD", 2), ("EUR", 2), ("USD", 2), ("GBP", 2), ("JPY", 0), ("KWD", 3), ("BRL", 2))
ZONES = (
    *("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Kathmandu"),
    *("Pacific/Chatham", "America/St_Johns", "Africa/Cairo", "UTC"),
)
CITIES = ("Berlin", "New York", "東京", "Mumbai", "São Paulo", "काठमाडौं", "القاهرة", "St. John's", "Łódź", "Αθήνα")
CATEGORIES = ("Ice & Snow", "Books", "Küche", "Garden", "Sports/Outdoor", "玩具", "Elektronik", "Health + Beauty")
ADJECTIVES = ("Arctic", "Quiet", "Große", "Feather-light", "Polar", "Crème", "Double", "Ünlü", "Frozen", "Simple")
NOUNS = ("Kettle", "Skates", "Lantern", "Thermos", "Sled", "Café set", "Atlas", "Compass", "Jacke", 'Drill 1/2"')
TAGS = ("new", "sale", "fragile", "heavy", "gift", "organic", "limited", "refurbished")
DISHES = (
    *("Veg Burger", "Margherita", "Phở bò", "Crème brûlée", "Bibimbap", "Pad Thai", "Falafel", "寿司", "Currywurst"),
    *("Jalapeño Poppers", "Mac 'n' Cheese", "Żurek", "Fish & Chips", 'Dal "Makhani"', "Soup, hot"),
)
RESTAURANT_KINDS = (
    "Burger Junction",
    "Trattoria",
    "Phở House",
    "Café Ölmühle",
    "寿司屋",
    "Ali's Grill",
    "Taj",
    "Κουζίνα",
)
FOOD_STATUSES = ("PLACED", "PREPARING", "DELIVERED", "DELIVERED", "DELIVERED", "CANCELLED")
METHODS = ("card", "card", "card", "bank_transfer", "wallet", "gift_card", "cash_on_delivery")
FAILURES = ("insufficient funds", "expired card", "do not honour", "3-D Secure: timeout\nsee log", "unbekannt")
