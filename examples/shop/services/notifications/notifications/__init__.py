"""The notifications service of the shop."""
