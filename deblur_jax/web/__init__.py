"""Web pages: the before/after page."""
