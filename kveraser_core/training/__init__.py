"""Training an eraser: tasks make examples, examples are distilled, the trainer repeats that."""
