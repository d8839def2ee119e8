"""Photo → portrait, card faces, print run, and the read-back of every printed face.

Plain functions on frozen models; the printer is a port. Pillow, reportlab and OpenCV live here.
reportlab wraps every stream in ASCII85 by a switch of the whole process, at half the speed and five quarters of the
size. It is off from the first import of this room on and never touched again: a switch that were turned while a run is
drawn would change the bytes of whatever another thread draws at that moment.
"""

from reportlab import rl_config

rl_config.useA85 = 0
