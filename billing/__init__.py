"""Price list, invoices, credit notes, KID, ledger and refunds: what is charged, why, and what goes back.

Plain functions on frozen models; payments and mail are ports. Integer øre everywhere.
"""
