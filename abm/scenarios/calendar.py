"""Model time: months since January 2023, and 21 trading days inside each of them.

Month 0 is January 2023, month 24 is January 2025. Real months have 19 to 23 sessions of the New York Stock Exchange;
model months have `DAYS` = 21, numbered from 0. A date maps to its session, counted within its calendar month; a
weekend or holiday maps to the next session, because that is when the market can react; sessions beyond the 21st map to
the month's last day. Every date therefore stays in its calendar month, and the order of dates is preserved.
"""

import datetime as dt
from functools import cache

from abm.support.axes import DAYS

FIRST_YEAR = 2023
HORIZON = 60
"""Default length of a run, months: to December 2027."""

UNSCHEDULED_CLOSURES = {dt.date(2025, 1, 9): "National Day of Mourning for James E. Carter"}
"""Closures outside the published calendar. They count as sessions, so that R1 (20-21 January 2025) is day 13 and the
crash (27 January) day 17 of their month counting from 1; without the 9th they would be days 12 and 16. The four
sessions between them are the same either way."""


def month_of(date: dt.date) -> int:
    """Model month of a date (negative before January 2023)."""
    return (date.year - FIRST_YEAR) * 12 + date.month - 1


def first_day(month: int) -> dt.date:
    """First calendar day of a model month."""
    return dt.date(FIRST_YEAR + month // 12, month % 12 + 1, 1)


@cache
def market_holidays(year: int) -> frozenset[dt.date]:
    """Weekdays of `year` on which the New York Stock Exchange is closed under its rule 7.2, as in force since 2022."""

    def nth(month: int, weekday: int, n: int) -> dt.date:
        first = dt.date(year, month, 1)
        return first + dt.timedelta((weekday - first.weekday()) % 7 + 7 * (n - 1))

    def observed(month: int, day: int) -> dt.date:
        date = dt.date(year, month, day)
        return date + dt.timedelta({5: -1, 6: 1}.get(date.weekday(), 0))

    may = nth(5, 0, 5)
    days = {
        nth(1, 0, 3),  # Martin Luther King
        nth(2, 0, 3),  # Presidents
        _easter(year) - dt.timedelta(2),  # Good Friday
        may if may.month == 5 else nth(5, 0, 4),  # Memorial Day
        observed(6, 19),
        observed(7, 4),
        nth(9, 0, 1),  # Labor Day
        nth(11, 3, 4),  # Thanksgiving
        observed(12, 25),
    }
    new_year = dt.date(year, 1, 1)
    if new_year.weekday() != 5:  # on a Saturday it is not moved: the old year's books close on the Friday
        days.add(observed(1, 1))
    return frozenset(days)


def _easter(year: int) -> dt.date:
    """Easter Sunday, Gregorian (the anonymous algorithm of Nature, 20 April 1876)."""
    century, rest = divmod(year, 100)
    shift = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - shift - rest % 4) % 7
    month, day = divmod(shift + week - 7 * ((year % 19 + 11 * shift + 22 * week) // 451) + 114, 31)
    return dt.date(year, month, day + 1)


def is_trading_day(date: dt.date) -> bool:
    """Whether `date` is a session by rule (unscheduled closures count as sessions)."""
    return date.weekday() < 5 and date not in market_holidays(date.year)


def trading_day(date: dt.date) -> int:
    """Trading day of a date within its month, 0 to 20.

    >>> trading_day(dt.date(2025, 1, 20)), trading_day(dt.date(2025, 1, 21)), trading_day(dt.date(2025, 1, 27))
    (12, 12, 16)
    """
    before = sum(is_trading_day(date.replace(day=day)) for day in range(1, date.day))
    return min(before, DAYS - 1)


def date_of(month: int, day: int = 0) -> dt.date:
    """Date of a trading day of a model month; the month's last session if it has fewer than `day` + 1 sessions.

    >>> date_of(24, 16)
    datetime.date(2025, 1, 27)
    """
    if not 0 <= day < DAYS:
        raise ValueError(f"a month has trading days 0 to {DAYS - 1}, not {day}")
    date = first_day(month)
    sessions: list[dt.date] = []
    while month_of(date) == month and len(sessions) <= day:
        if is_trading_day(date):
            sessions.append(date)
        date += dt.timedelta(1)
    return sessions[-1]
