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
    shared_mailbox: float  # of couples
    twins: float  # of households
    junior: float  # of households: parent and child of one name
    office: float  # is a customer through a company
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
    *(0.15, 0.08, 0.03, 0.06, 0.002, 0.04, 0.004, 0.002, 0.08, 0.02, 0.05, 0.02),
    *(0.55, 0.015, 0.03, 0.005, 0.003, 0.10, 0.08, 0.02, 0.05, 0.05, 0.12, 0.25),
)
HARD = Mix(
    "hard",
    *(0.35, 0.22, 0.08, 0.15, 0.01, 0.12, 0.015, 0.008, 0.15, 0.10, 0.15, 0.05),
    *(1.0, 0.04, 0.08, 0.02, 0.015, 0.20, 0.22, 0.05, 0.12, 0.12, 0.25, 0.45),
)
ADVERSARIAL = Mix(
    "adversarial",
    *(0.45, 0.28, 0.12, 0.20, 0.03, 0.25, 0.04, 0.02, 0.22, 0.30, 0.25, 0.10),
    *(1.1, 0.05, 0.10, 0.03, 0.02, 0.25, 0.28, 0.10, 0.20, 0.18, 0.33, 0.55),
)
MIXES = {mix.name: mix for mix in (EASY, HARD, ADVERSARIAL)}
