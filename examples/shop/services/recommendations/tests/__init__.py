"""Tests; run with python -m unittest from the folder above."""
