"""Tables in Markdown."""


def table_head(titles: list[str]) -> list[str]:
    """The first two lines of a table."""
    return ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]


def cell(text) -> str:
    """Text for a cell: one line, without what would end the cell."""
    return " ".join(str(text if text is not None else "").split()).replace("|", "\\|")
