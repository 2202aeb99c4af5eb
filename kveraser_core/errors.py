"""The one base class of every error a user can act on.

Modules define their own subclasses beside the code that raises them. The message is a full
sentence that says what is wrong and what to do; the command line and the page show it as it is.
"""


class KVEraserError(Exception):
    """Something the user can put right. The message is a sentence that says how."""
