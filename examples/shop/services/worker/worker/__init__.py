"""The worker of the shop."""
