"""What can be wrong with a file that is to become a document."""

from kveraser_core.errors import KVEraserError


class DocumentError(KVEraserError):
    """A file that cannot be read as a document."""


class EmptyDocument(DocumentError):
    """Nothing to read in it."""


class ScannedDocument(DocumentError):
    """A PDF of pictures, without a text layer."""


class EncryptedDocument(DocumentError):
    """A PDF that needs a password, or another one."""


class DamagedDocument(DocumentError):
    """A file that breaks off or contradicts itself."""


class DocumentTooLarge(DocumentError):
    """More bytes, pages or characters than are read."""


class DocumentTooSlow(DocumentError):
    """A file that takes longer to parse than is allowed."""


class DocumentNeedsMemory(DocumentError):
    """A file that takes more memory to parse than is allowed."""


class NotADocument(DocumentError):
    """A file of some other kind."""


ERRORS = {
    error.__name__: error
    for error in (
        DocumentError,
        EmptyDocument,
        ScannedDocument,
        EncryptedDocument,
        DamagedDocument,
        DocumentTooLarge,
        DocumentTooSlow,
        DocumentNeedsMemory,
        NotADocument,
    )
}


def damaged(title: str) -> DamagedDocument:
    return DamagedDocument(f"{title} is damaged and cannot be read: save or download it again.")


def needs_memory(title: str) -> DocumentNeedsMemory:
    return DocumentNeedsMemory(
        f"{title} needs too much memory to be read: save it anew as plain text, or give a part of it."
    )


def too_large(title: str, size: int, limit: int, unit: str) -> DocumentTooLarge:
    return DocumentTooLarge(f"{title} has {size:,} {unit} and the limit is {limit:,}: split it and give a part.")
