"""Two orders swapped at any point are told apart, however alike their cards are."""

from collections import Counter

from benchmarks.mixups import SWAPPED, draw_similar, false_alarms, mix_ups


def test_every_mix_up_of_similar_cards_is_caught_and_none_is_invented():
    cards = draw_similar(9)
    assert false_alarms(cards) == 0
    tried = list(mix_ups(cards))
    assert Counter(one.what for one in tried) == dict.fromkeys(SWAPPED, 72)
    assert [one for one in tried if not one.caught] == []
