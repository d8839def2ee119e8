"""The nouns everybody shares: orders, cards and their life, addresses, money, identifiers, blanks, effects, errors.

Every room imports from here and nothing here imports a room. Standard library and pydantic only; the one thing
read from disk is the dated policy that ships beside the code.
"""
