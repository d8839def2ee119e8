"""The card printer's adapters: a folder of print-ready files."""
