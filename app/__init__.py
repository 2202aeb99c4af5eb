"""The Gradio front end. It imports kveraser_core and never torch."""
