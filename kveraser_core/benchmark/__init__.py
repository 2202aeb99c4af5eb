"""Measuring time and memory of erasing and answering, beside the limits of the machine and other programs."""
