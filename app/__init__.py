"""The Gradio front end. It imports kveraser_core and never torch."""

from app import uploads  # noqa: F401  # before Gradio is imported
