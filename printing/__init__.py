"""Photo → portrait, card faces, print run, and the read-back of every printed face.

Plain functions on frozen models; the printer is a port. Pillow, reportlab and OpenCV live here.
"""
