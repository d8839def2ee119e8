"""Address keys, grouping, tariffs, postage, letters, labels, manifests, and the audit of postage charged before.

Plain functions on frozen models; the carrier is a port.
"""
