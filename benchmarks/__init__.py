"""Figures as ratios: each measurement runs beside a bare floor on the same machine in the same minute."""
