"""Reports: measured files in, one page, Markdown, CSV and plots out. Nothing is measured here."""
