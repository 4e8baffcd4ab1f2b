"""Where rows and files are kept: the database, its tables and their history, and files named by their content.

Knows SQLite, PostgreSQL and the disk. Does not know what a job or a picture means to a person.
"""
