"""The outside world of this room, and its twins."""
