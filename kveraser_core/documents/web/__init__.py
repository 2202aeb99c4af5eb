"""The text of web pages and of e-mail."""
