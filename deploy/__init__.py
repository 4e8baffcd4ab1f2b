"""Many machines: a demonstration on one, and what a real cluster is begun with. Nothing of the studio imports this."""
