"""What people made: the items in their library, their recipes, the files they gave us.

Knows the tables and the blobs. Does not know how anything is made or who may sign in.
"""
