"""Days beyond Python's calendar, as PostgreSQL prints them."""

_DAY = 86_400_000_000


def civil(days: int) -> tuple[int, int, int]:
    """Year (0 is 1 BC), month and day of a number of days since 1970-01-01, in the Gregorian calendar."""
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return year + era * 400 + (month <= 2), month, day


def day_text(days: int) -> tuple[str, str]:
    """YYYY-MM-DD, and " BC" where the year is before the first."""
    year, month, day = civil(days)
    return (f"{year:04d}-{month:02d}-{day:02d}", "") if year > 0 else (f"{1 - year:04d}-{month:02d}-{day:02d}", " BC")


def time_text(microseconds: int, digits: int | None = None) -> str:
    """HH:MM:SS and the fraction, without zeros at its end or with a fixed number of `digits`; hours may pass 24."""
    sign, rest = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, fraction = divmod(rest, 1_000_000)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if digits is None:
        return f"{text}.{fraction:06d}".rstrip("0").rstrip(".") if fraction else text
    return f"{text}.{f'{fraction:06d}'[:digits]}" if digits else text


def moment_text(microseconds: int, zone: str = "") -> str:
    """YYYY-MM-DD HH:MM:SS[.ffffff], the zone, and " BC"."""
    days, rest = divmod(microseconds, _DAY)
    day, era = day_text(days)
    return f"{day} {time_text(rest)}{zone}{era}"
