"""Holds the first message to a stranger where it asks to go elsewhere or for money, or where its author writes to too many."""

import re

import wit_world.exports
from wit_world.imports import config, metrics, rates

ELSEWHERE = re.compile(r"\b(whats\s?app|telegram|signal|snapchat|my number is)\b", re.IGNORECASE)
# Nine digits and more, with what people put between them.
NUMBER = re.compile(r"(?:\d[\s().+/-]*){9,}")
MONEY = re.compile(r"\b(gift\s?cards?|bitcoin|western union|wire me|send me money|iban)\b", re.IGNORECASE)

HOUR_MS = 3_600_000


def concern(text):
    """What there is to be careful about, or None."""
    if ELSEWHERE.search(text) or NUMBER.search(text):
        return "Stay here for the first messages: elsewhere nobody can help you. A moderator looks at this one."
    if MONEY.search(text):
        return "Never send money to somebody you have not met. A moderator looks at this message."
    return None


class Moderation(wit_world.exports.Moderation):
    def review(self, call, draft):
        if not draft.is_first_contact():
            return
        reason = concern(draft.text())
        # Counted whatever it says: the window is shared by all reviews, so a burst sees itself.
        written = rates.bump("first-contacts", draft.author(), HOUR_MS, 1)
        if reason is None and written > int(config.get("first_contacts_an_hour") or 20):
            reason = "You have written to many people in a short time. A moderator looks at this message."
        if reason is not None:
            draft.hold(reason)
            metrics.count("nudged", 1)
