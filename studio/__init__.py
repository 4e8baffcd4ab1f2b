"""The application: the page, the jobs behind it, what people made."""
