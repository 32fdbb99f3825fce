"""The recommendations service of the shop."""
