"""Chip profile, keys, secure messaging, personalisation, verification, and the virtual card.

Plain functions over ports: a card is whatever answers APDUs, a key service whatever derives keys.
"""
