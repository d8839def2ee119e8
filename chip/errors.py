"""The one thing that a transport may say besides an answer: the card went away.

A lost card is no verdict: whether the last command took effect is unknown until the chip is presented again and
probed. That is why it is no member of the four families of cards.errors; personalise and verify turn it into one.
"""


class ChipLost(Exception):
    """The card left the field, or its answer did. The command may or may not have taken effect."""
