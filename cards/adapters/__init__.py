"""The real clock and the real chance, with their twins for tests, demos and replays."""
