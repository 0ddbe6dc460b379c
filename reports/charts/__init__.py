"""One file per chart; each has `draw(rows) -> chart or None`, None where the data lack its axes.

A chart's title is its `title`, its text alternative its `description`; `usermeta` holds "notes" (sentences to stand
beneath it) and, where there are figures to read, "table" ({"header": [...], "rows": [[...]]}).
"""
