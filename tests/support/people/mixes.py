"""How untidy customers are: three mixes, tuned so that a stock matcher's best F1 on them is about .95, .87 and .83."""

from typing import NamedTuple


class Mix(NamedTuple):
    """Shares of people (first block) and of their records (second) that something is true of."""

    name: str
    second_email: float  # has another private mailbox
    moved: float
    renamed: float  # by marriage, one of a couple
    changed_number: float
    recycled_number: float  # has a number that was another one's before
    next_number: float  # of those who share a household: a mobile next to the one before
    couples: float  # of households: two or three are customers
    shared_mailbox: float  # of couples
    twins: float  # of households
    junior: float  # of households: parent and child of one name
    office: float  # is a customer through a company
    extension: float  # of office people: a number of their own at the company, which differs in its last digits
    assistant: float  # of companies: one mailbox for several bosses
    company_customer: float  # of companies: buys under its own name
    neighbours: float  # of households: another household in the same house

    missing: float  # factor on what a system leaves out
    typo: float  # of each field
    nickname: float
    initial: float
    swapped: float
    spelled: float  # without accents, or in Latin letters
    other_email: float
    role_mailbox: float  # of office people
    office_phone: float  # of office people
    landline: float  # the household's telephone
    without_country: float  # of telephone numbers
    untidy_address: float


EASY = Mix(
    "easy",
    *(0.08, 0.05, 0.02, 0.04, 0.002, 0.10, 0.02, 0.03, 0.001, 0.001, 0.05, 0.30, 0.02, 0.05, 0.01),
    *(0.5, 0.015, 0.03, 0.005, 0.003, 0.10, 0.05, 0.01, 0.05, 0.05, 0.12, 0.25),
)
HARD = Mix(
    "hard",
    *(0.22, 0.15, 0.05, 0.10, 0.01, 0.15, 0.07, 0.07, 0.004, 0.003, 0.10, 0.40, 0.05, 0.10, 0.02),
    *(0.9, 0.03, 0.06, 0.01, 0.01, 0.15, 0.12, 0.03, 0.08, 0.08, 0.25, 0.40),
)
ADVERSARIAL = Mix(
    "adversarial",
    *(0.24, 0.18, 0.07, 0.14, 0.025, 0.25, 0.09, 0.18, 0.010, 0.006, 0.13, 0.50, 0.20, 0.20, 0.04),
    *(0.9, 0.04, 0.08, 0.02, 0.015, 0.20, 0.14, 0.07, 0.15, 0.12, 0.33, 0.50),
)
MIXES = {mix.name: mix for mix in (EASY, HARD, ADVERSARIAL)}
