"""Models trained live: recipes, data sets, the loop, its checkpoints, and pictures from what was trained.

``recipe_names`` and ``datasets`` are plain data for the page and import no torch; everything else lives in the worker.
"""
