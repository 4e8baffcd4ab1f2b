"""Who people are and what they may do: accounts, sessions, invitations, tokens, and the log of what was done.

Knows the database. Does not know cookies, pages or jobs. Without ``--auth`` there are no accounts, and whoever sits at
the machine is its administrator.
"""
