"""What the command line writes: text, figures, pictures, JSON and model cards."""

__all__: list[str] = []
