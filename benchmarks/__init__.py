"""Figures, measured as ratios within one run: ``python -m benchmarks.NAME``; the last line is one JSON object."""
