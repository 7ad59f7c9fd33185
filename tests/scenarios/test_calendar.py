"""The model's calendar compared with the published one of the New York Stock Exchange."""

import datetime as dt
import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

import abm.scenarios.calendar
from abm.scenarios.calendar import UNSCHEDULED_CLOSURES, date_of, is_trading_day, market_holidays, month_of, trading_day
from abm.support.axes import DAYS

# https://www.nyse.com/markets/hours-calendars, as published year by year; 2025-01-09 was announced in December 2024.
PUBLISHED = {
    2023: "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25",
    2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    2025: "01-01 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
}
DATES = st.dates(dt.date(2023, 1, 1), dt.date(2040, 12, 31))


@pytest.mark.parametrize("year", PUBLISHED)
def test_holidays_by_rule_match_the_published_ones(year):
    assert " ".join(f"{day:%m-%d}" for day in sorted(market_holidays(year))) == PUBLISHED[year]


def test_new_year_on_a_saturday_is_not_moved():
    assert dt.date(2021, 12, 31) not in market_holidays(2021)
    assert dt.date(2027, 12, 31) not in market_holidays(2027)
    assert len(market_holidays(2028)) == 9


def test_months():
    assert month_of(dt.date(2023, 1, 1)) == 0
    assert month_of(dt.date(2025, 1, 31)) == 24
    assert month_of(dt.date(2027, 12, 31)) == 59
    assert month_of(dt.date(2022, 10, 7)) == -3


def test_the_week_of_r1():
    """R1 and Stargate day 13, the crash day 17, counting from 1."""
    assert trading_day(dt.date(2025, 1, 20)) == 12  # a holiday: the market reacts on the 21st
    assert trading_day(dt.date(2025, 1, 21)) == 12
    assert trading_day(dt.date(2025, 1, 27)) == 16


def test_the_day_of_mourning_is_known_but_not_counted():
    assert dt.date(2025, 1, 9) in UNSCHEDULED_CLOSURES
    assert is_trading_day(dt.date(2025, 1, 9))
    sessions = [day for day in range(1, 28) if is_trading_day(dt.date(2025, 1, day))]
    really_open = [day for day in sessions if dt.date(2025, 1, day) not in UNSCHEDULED_CLOSURES]
    assert (sessions.index(21), sessions.index(27)) == (12, 16)
    assert (really_open.index(21), really_open.index(27)) == (11, 15)


def test_a_closed_day_belongs_to_the_next_session():
    assert trading_day(dt.date(2024, 11, 28)) == trading_day(dt.date(2024, 11, 29))  # Thanksgiving
    assert trading_day(dt.date(2025, 2, 1)) == trading_day(dt.date(2025, 2, 3)) == 0  # Saturday
    assert trading_day(dt.date(2025, 5, 31)) == 20  # Saturday after 21 sessions: May's last day, not June's first


@given(DATES, DATES)
def test_days_stay_in_order_and_in_range(one, other):
    first, second = sorted((one, other))
    assert (month_of(first), trading_day(first)) <= (month_of(second), trading_day(second))
    assert 0 <= trading_day(first) < DAYS


@given(st.integers(0, 239), st.integers(0, DAYS - 1))
def test_date_of_is_the_inverse(month, day):
    date = date_of(month, day)
    assert month_of(date) == month
    assert is_trading_day(date)
    assert trading_day(date) == day or (trading_day(date) < day and trading_day(date + dt.timedelta(1)) <= day)


def test_date_of_rejects_days_outside_the_month():
    for day in (-1, DAYS):
        with pytest.raises(ValueError, match="0 to 20"):
            date_of(24, day)
    assert date_of(25, 20) == dt.date(2025, 2, 28)  # 19 sessions


def test_examples():
    assert doctest.testmod(abm.scenarios.calendar).failed == 0
